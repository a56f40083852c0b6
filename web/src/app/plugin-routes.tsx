// The list of plugins and one plugin, with what their addresses say.
import { getRouteApi } from "@tanstack/react-router";
import { PluginPage, PluginsPage } from "@/features/plugins";

const plugin = getRouteApi("/house/plugins/$plugin");

export function PluginsRoute() {
  return <PluginsPage />;
}

export function PluginRoute() {
  const { plugin: id } = plugin.useParams();
  return <PluginPage key={id} plugin={id} />;
}
