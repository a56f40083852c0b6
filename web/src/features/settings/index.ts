export { AccountPage } from "./account-page";
export { SettingsPage } from "./settings-page";
export { SetupPage } from "./setup-page";
export { SignInPage } from "./sign-in-page";
