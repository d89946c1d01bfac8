import { readFileSync } from 'node:fs'
import { readdir } from 'node:fs/promises'
import { dirname, join, normalize } from 'node:path'

/** The root of the repository. */
export const root: string = join(import.meta.dirname, '../..')

/** A module of the repository and its imports. */
export interface SourceFile {
  /** Path from the root, such as `sdk/index.ts`. */
  readonly path: string
  readonly imports: readonly Import[]
}

export interface Import {
  /** Specifier of a package, or path from the root of a module of the repository. */
  readonly from: string
  /** Whether the import contains only types, and is erased. */
  readonly typeOnly: boolean
}

/** Returns all TypeScript files of these folders. */
export async function readSources(...folders: string[]): Promise<SourceFile[]> {
  const lists = folders.map(async (folder) => {
    const names = await readdir(join(root, folder), { recursive: true })
    return names.filter((name) => name.endsWith('.ts')).map((name) => join(folder, name))
  })
  return (await Promise.all(lists)).flat().map((path) => ({ path, imports: readImports(path) }))
}

// Biome formats the sources, so each statement begins a line and quotes are single.
const STATEMENT = /^(?:import|export)\s(type\s)?(?:[^'"`;]*?\sfrom\s)?'([^']+)'/gm
const DYNAMIC = /(typeof\s+)?\bimport\('([^']+)'\)/g

function readImports(path: string): Import[] {
  const text = readFileSync(join(root, path), 'utf8')
  return [...text.matchAll(STATEMENT), ...text.matchAll(DYNAMIC)].map(([, type, from = '']) => ({
    from: from.startsWith('.') ? normalize(join(dirname(path), from)) : from,
    typeOnly: type !== undefined,
  }))
}
