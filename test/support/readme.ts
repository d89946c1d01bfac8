import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { root } from '../build/source-files.ts'

/** Returns each block of code in the README, or another page, that begins with a file name. */
export async function readExamples(page = 'README.md'): Promise<Map<string, string>> {
  const text = await readFile(join(root, page), 'utf8')
  return new Map(
    [...text.matchAll(/^```(?:tsx?|jsonc|html)\n(?:\/\/|<!--) (\S+)(?: -->)?\n([\s\S]*?)^```/gm)].map(
      ([, name = '', code = '']) => [name, code],
    ),
  )
}

/** Pages whose blocks belong together: a block imports the blocks before it, on any of these pages. */
export const GUIDE: readonly string[] = ['README.md', 'sdk/README.md', 'bridge/README.md', 'worker/README.md']

/** Returns the blocks of all pages of the guide. Throws if two have the same name. */
export async function readGuide(): Promise<Map<string, string>> {
  const all = new Map<string, string>()
  for (const page of GUIDE)
    for (const [name, code] of await readExamples(page)) {
      if (all.has(name)) throw new Error(`${page} has a second block ${name}.`)
      all.set(name, code)
    }
  return all
}

/** Returns the commands of a section: its indented lines, without the remark after several blanks. */
export async function readCommands(page: string, heading: string): Promise<string[]> {
  const text = await readFile(join(root, page), 'utf8')
  const section = text.split(/^## /m).find((part) => part.startsWith(`${heading}\n`)) ?? ''
  const outside = section.replace(/^```[\s\S]*?^```/gm, '')
  return [...outside.matchAll(/^ {4}(\S.*?)(?: {3,}.*)?$/gm)].map(([, command = '']) => command)
}
