import { access } from 'node:fs/promises'
import { basename, resolve } from 'node:path'
import process from 'node:process'
import { pathToFileURL } from 'node:url'
import { type Events, readEvent } from '../../../sdk/contract/contract.ts'
import type { EventEntry } from '../../../sdk/contract/event.ts'
import { SpanwireError } from '../../../sdk/wire/errors.ts'

/**
 * Loads a contract from a module: its export `events`, else `default`, else the only export that is a contract.
 * `events.ts#orders` names another export.
 * @throws SpanwireError `invalid-argument` that names the file and says what to do
 */
export async function loadContract(place: string): Promise<Events> {
  const [path = '', name] = splitPlace(place)
  const module = await importModule(path)
  if (name !== undefined) {
    if (isContract(module[name])) return module[name]
    throw unusable(path, `has no contract that is exported as ${JSON.stringify(name)}; ${exportsOf(module)}`)
  }
  const found = ['events', 'default'].find((usual) => isContract(module[usual]))
  if (found !== undefined) return module[found] as Events
  const others = Object.keys(module).filter((one) => isContract(module[one]))
  const [only, ...more] = others
  if (only === undefined) throw unusable(path, 'exports no contract: write "export const events = defineEvents({ … })"')
  if (more.length > 0)
    throw unusable(path, `exports several contracts (${others.join(', ')}): name one, such as ${path}#${only}`)
  return module[only] as Events
}

/** The file and the export that a place such as `events.ts#orders` names. */
export function splitPlace(place: string): readonly [path: string, name?: string] {
  const [, path = place, name] = /^(.*\.\w+)#([^#]+)$/.exec(place) ?? []
  return name === undefined ? [path] : [path, name]
}

/** @throws SpanwireError `invalid-argument` */
export async function importModule(path: string): Promise<Readonly<Record<string, unknown>>> {
  const full = resolve(process.cwd(), path)
  try {
    await access(full)
  } catch (cause) {
    throw new SpanwireError('invalid-argument', `There is no file ${path} in ${process.cwd()}.`, { cause })
  }
  try {
    return (await import(pathToFileURL(full).href)) as Record<string, unknown>
  } catch (cause) {
    throw explainImport(path, cause)
  }
}

/** Whether a value is a contract: entries by subject templates, at least one. */
export function isContract(value: unknown): value is Events {
  if (typeof value !== 'object' || value === null) return false
  const entries = Object.entries(value)
  return entries.length > 0 && entries.every(([name, entry]) => isEntry(name, entry))
}

function isEntry(name: string, entry: unknown): boolean {
  const { schema = entry } = Object(entry) as { schema?: unknown }
  if (Object(schema)['~standard']?.version !== 1) return false
  try {
    readEvent(name, entry as EventEntry)
    return true
  } catch {
    return false
  }
}

function exportsOf(module: object): string {
  const contracts = Object.entries(module).flatMap(([name, value]) => (isContract(value) ? [name] : []))
  return contracts.length > 0 ? `it exports ${contracts.join(', ')}` : 'it exports none'
}

function unusable(path: string, problem: string): SpanwireError {
  return new SpanwireError('invalid-argument', `${path} ${problem}.`)
}

/** What the runtimes say when a module can't be loaded, as one sentence that says what to do. */
export function explainImport(path: string, cause: unknown): SpanwireError {
  const { code, message = String(cause) } = Object(cause) as { code?: string; message?: string }
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
      `it imports ${basename(missing)}, which is not there. Write the file's whole name, with its extension.`,
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
