export { WaitsPage } from "./waits-page";
