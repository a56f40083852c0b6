export function placeIn(stack: string, table: string): string | undefined;
