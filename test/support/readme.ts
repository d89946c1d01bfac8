import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { root } from '../build/source-files.ts'

/** Returns each block of code in the README, or another page, that begins with a file name. */
export async function readExamples(page = 'README.md'): Promise<Map<string, string>> {
  const text = await readFile(join(root, page), 'utf8')
  return new Map(
    [...text.matchAll(/^```(?:tsx?|jsonc)\n\/\/ (\S+)\n([\s\S]*?)^```/gm)].map(([, name = '', code = '']) => [
      name,
      code,
    ]),
  )
}
