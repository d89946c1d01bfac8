import { type FSWatcher, watch } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { basename, dirname, resolve } from 'node:path'

/** How long to wait for more changes, in ms: editors write a file in several steps. */
const SETTLE = 100
/** Files that are looked through for imports. */
const MAX_FILES = 200

/**
 * Calls `changed` when a module, or one that it imports from its own project, is written. Resolves once it watches, so
 * that a module that is read after that can't change unseen. The result ends it. It keeps no process alive.
 */
export async function watchModule(path: string, changed: () => void): Promise<() => void> {
  let watchers: FSWatcher[] = []
  let isOver = false
  let timer: ReturnType<typeof setTimeout> | undefined
  const soon = () => {
    clearTimeout(timer)
    timer = setTimeout(async () => {
      // First: its imports may have changed.
      await start()
      if (!isOver) changed()
    }, SETTLE)
  }
  const start = async () => {
    const files = await modulesOf(resolve(path))
    if (isOver) return
    const before = watchers
    watchers = [...Map.groupBy(files, dirname)].flatMap(([folder, inside]) => {
      const names = new Set(inside.map((file) => basename(file)))
      try {
        // The folder: editors replace a file, and a watched one would be the old.
        return [watch(folder, { persistent: false }, (_, name) => (name === null || names.has(name)) && soon())]
      } catch {
        return []
      }
    })
    for (const watcher of watchers) watcher.on('error', () => {})
    stop(before)
  }
  const stop = (some: readonly FSWatcher[]) => {
    for (const watcher of some) watcher.close()
  }
  await start()
  return () => {
    isOver = true
    clearTimeout(timer)
    stop(watchers)
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
