// The files that somebody dropped, those in folders among them.

interface Found {
  file: File;
  /** The folders that it lies in, the outermost first. */
  folders: string[];
}

/** Has to be called while the event is handled: afterwards the browser takes the entries away. */
export function droppedFiles(transfer: DataTransfer): Promise<File[]> {
  const entries = [...transfer.items].map((item) => item.webkitGetAsEntry());
  // A folder also stands among the files, as one that cannot be read.
  if (!entries.some((entry) => entry?.isDirectory)) return Promise.resolve([...transfer.files]);
  return Promise.all(entries.map((entry) => (entry ? filesBelow(entry, []) : []))).then((found) => named(found.flat()));
}

async function filesBelow(entry: FileSystemEntry, folders: string[]): Promise<Found[]> {
  // What an operating system hides is no document.
  if (entry.name.startsWith(".")) return [];
  if (entry.isFile) {
    const file = await new Promise<File>((resolve, reject) => { (entry as FileSystemFileEntry).file(resolve, reject); });
    return [{ file, folders }];
  }
  const reader = (entry as FileSystemDirectoryEntry).createReader();
  const found: Found[] = [];
  // A reader gives a hundred at a time, and nothing at the end.
  for (;;) {
    const some = await new Promise<FileSystemEntry[]>((resolve, reject) => { reader.readEntries(resolve, reject); });
    if (some.length === 0) return found;
    for (const one of some) found.push(...(await filesBelow(one, [...folders, entry.name])));
  }
}

/** Files of one name in different folders are different files; they are told apart by their folders. */
export function named(found: readonly Found[]): File[] {
  const count = new Map<string, number>();
  for (const { file } of found) count.set(file.name, (count.get(file.name) ?? 0) + 1);
  return found.map(({ file, folders }) => (count.get(file.name) === 1 ? file : new File([file], [...folders, file.name].join(" - "), { type: file.type, lastModified: file.lastModified })));
}
