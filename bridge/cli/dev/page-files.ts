import { readFile } from 'node:fs/promises'

/** A file of the playground page. */
export interface PageFile {
  readonly body: string
  readonly type: string
}

const TYPES: Readonly<Record<string, string>> = {
  'index.html': 'text/html; charset=utf-8',
  'main.js': 'text/javascript; charset=utf-8',
  'style.css': 'text/css; charset=utf-8',
}

/**
 * The page as `npm run build` bundled it: next to this module in the package, and in `dist` of the page's sources in the
 * repository. Undefined if it was not built, or has no such file.
 */
export async function readPageFile(name: string): Promise<PageFile | undefined> {
  const type = TYPES[name]
  if (type === undefined) return undefined
  const body = await readFile(new URL(`../page/dist/${name}`, import.meta.url), 'utf8').catch(() => undefined)
  return body === undefined ? undefined : { body, type }
}
