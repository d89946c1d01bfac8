import { type FSWatcher, watch } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { basename, dirname, resolve } from 'node:path'

/** How long to wait for more changes, in ms: editors write a file in several steps. */
const SETTLE = 100
/** Files that are looked through for imports. */
const MAX_FILES = 200

/**
 * Calls `changed` when a module, or one that it imports from its own project, is written. Returns a function that ends it.
 */
export function watchModule(path: string, changed: () => void): () => void {
  let watchers: FSWatcher[] = []
  let isOver = false
  let timer: ReturnType<typeof setTimeout> | undefined
  const soon = () => {
    clearTimeout(timer)
    timer = setTimeout(() => {
      changed()
      // Its imports may have changed.
      void start()
    }, SETTLE)
  }
  const start = async () => {
    const files = await modulesOf(resolve(path))
    if (isOver) return
    stop()
    const folders = Map.groupBy(files, dirname)
    watchers = [...folders].flatMap(([folder, inside]) => {
      const names = new Set(inside.map((file) => basename(file)))
      try {
        // The folder: editors replace a file, and a watched one would be the old.
        return [watch(folder, (_, name) => (name === null || names.has(name)) && soon())]
      } catch {
        return []
      }
    })
    for (const watcher of watchers) watcher.on('error', () => {})
  }
  const stop = () => {
    for (const watcher of watchers.splice(0)) watcher.close()
  }
  void start()
  return () => {
    isOver = true
    clearTimeout(timer)
    stop()
  }
}

const IMPORT = /\b(?:from|import)\s*\(?\s*['"](\.[^'"]+)['"]/g

/** The module and all modules that it imports by relative paths, directly or not. */
async function modulesOf(path: string): Promise<string[]> {
  const found = new Set([path])
  for (const file of found) {
    if (found.size > MAX_FILES) break
    const text = await readFile(file, 'utf8').catch(() => '')
    for (const [, specifier = ''] of text.matchAll(IMPORT)) found.add(resolve(dirname(file), specifier))
  }
  return [...found]
}
