export { BasesPage } from "./bases-page";
export { DocumentPage } from "./document-page";
export { DocumentsPage } from "./documents-page";
export { SettingsPage } from "./settings-page";
export { TestPage } from "./test-page";
