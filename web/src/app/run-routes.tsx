// The list of runs and one run, with what their addresses say.
import { getRouteApi } from "@tanstack/react-router";
import { RunPage, RunsPage } from "@/features/runs";

const runs = getRouteApi("/house/runs");
const run = getRouteApi("/house/runs/$run");

export function RunsRoute() {
  return <RunsPage {...runs.useSearch()} />;
}

export function RunRoute() {
  const { run: id } = run.useParams();
  return <RunPage key={id} run={id} />;
}
