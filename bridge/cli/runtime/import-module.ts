import { access } from 'node:fs/promises'
import { basename, resolve } from 'node:path'
import process from 'node:process'
import { pathToFileURL } from 'node:url'
import { messageOf } from '../../../sdk/kit/error-text.ts'
import { membersOf } from '../../../sdk/kit/kinds.ts'
import { SpanwireError } from '../../../sdk/wire/errors.ts'

/**
 * Imports a module of the user's by its path from this folder.
 * @throws SpanwireError (as rejection) `invalid-argument` with the remedy
 */
export async function importModule(path: string): Promise<Readonly<Record<string, unknown>>> {
  const full = resolve(process.cwd(), path)
  try {
    await access(full)
  } catch (cause) {
    throw new SpanwireError('invalid-argument', `The file ${path} does not exist in ${process.cwd()}.`, { cause })
  }
  try {
    return membersOf(await import(pathToFileURL(full).href))
  } catch (cause) {
    throw explainImport(path, cause)
  }
}

/** Turns the runtimes' errors for modules that can't be loaded into one sentence with the remedy. */
function explainImport(path: string, cause: unknown): SpanwireError {
  const { code } = membersOf(cause)
  const message = messageOf(cause)
  const [, missing] =
    /Cannot find (?:package|module) '([^']+)'|Could not find package "([^"]+)"|Import "([^"]+)" not a dependency/
      .exec(message)
      ?.filter((part) => part !== undefined) ?? []
  const first = message.split('\n')[0] ?? ''
  const explain = (text: string) => new SpanwireError('invalid-argument', `${path} can't be loaded: ${text}`, { cause })
  if (missing !== undefined && !/^[./]|^file:/.test(missing))
    return explain(`it imports "${missing}", which is not installed. Run "npm install ${packageOf(missing)}".`)
  if (missing !== undefined)
    return explain(
      `it imports ${basename(missing)}, which does not exist. Write the file's whole name, with its extension.`,
    )
  if (code === 'ERR_UNKNOWN_FILE_EXTENSION')
    return explain(`Node ${process.versions.node} loads no TypeScript. Use Node 22.18 or later, Bun or Deno.`)
  if (code === 'ERR_UNSUPPORTED_TYPESCRIPT_SYNTAX')
    return explain(`Node only strips types, so enums and namespaces don't work (${first}).`)
  return explain(`${first}${first.endsWith('.') ? '' : '.'}`)
}

/** `zod` of `zod/mini`, `@a/b` of `@a/b/c`. */
function packageOf(specifier: string): string {
  return specifier
    .split('/')
    .slice(0, specifier.startsWith('@') ? 2 : 1)
    .join('/')
}
