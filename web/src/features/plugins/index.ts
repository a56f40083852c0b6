export { PluginPage } from "./plugin-page";
export { PluginsPage } from "./plugins-page";
