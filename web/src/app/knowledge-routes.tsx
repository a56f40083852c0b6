// The list of knowledge bases, one base's pages, and one document, with what their addresses say.
import { getRouteApi } from "@tanstack/react-router";
import { BasesPage, DocumentPage, DocumentsPage, SettingsPage, TestPage } from "@/features/knowledge";

const base = getRouteApi("/house/knowledge/$name");
const document = getRouteApi("/house/knowledge/$name/documents/$document");
const test = getRouteApi("/house/knowledge/$name/test");
const settings = getRouteApi("/house/knowledge/$name/settings");

export function BasesRoute() {
  return <BasesPage />;
}

export function BaseRoute() {
  const { name } = base.useParams();
  return <DocumentsPage key={name} name={name} add={base.useSearch().add} />;
}

export function BaseDocumentRoute() {
  const { name, document: id } = document.useParams();
  return <DocumentPage key={`${name} ${id}`} name={name} document={id} />;
}

export function BaseTestRoute() {
  const { name } = test.useParams();
  return <TestPage key={name} name={name} search={test.useSearch()} />;
}

export function BaseSettingsRoute() {
  const { name } = settings.useParams();
  return <SettingsPage key={name} name={name} />;
}
