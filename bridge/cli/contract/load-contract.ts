import { type Events, readEvent } from '../../../sdk/contract/contract.ts'
import type { EventEntry } from '../../../sdk/contract/event.ts'
import { membersOf } from '../../../sdk/kit/kinds.ts'
import { SpanwireError } from '../../../sdk/wire/errors.ts'
import { importModule } from '../runtime/import-module.ts'

/**
 * Loads a contract from a module: its export `events`, else `default`, else the only export that is a contract.
 * `events.ts#orders` names another export.
 * @throws SpanwireError `invalid-argument` that names the file and the remedy
 */
export async function loadContract(place: string): Promise<Events> {
  const [path = '', name] = splitPlace(place)
  const module = await importModule(path)
  if (name !== undefined) {
    if (isContract(module[name])) return module[name]
    throw unusable(path, `has no contract that is exported as ${JSON.stringify(name)}; ${exportsOf(module)}`)
  }
  const usual = [module.events, module.default].find(isContract)
  if (usual) return usual
  const others = Object.entries(module).flatMap(([name, value]) => (isContract(value) ? [{ name, value }] : []))
  const [only, ...more] = others
  if (only === undefined) throw unusable(path, 'exports no contract: write "export const events = defineEvents({ … })"')
  if (more.length > 0)
    throw unusable(
      path,
      `exports several contracts (${others.map(({ name }) => name).join(', ')}): name one, such as ${path}#${only.name}`,
    )
  return only.value
}

/** The file and the export that a place such as `events.ts#orders` names. */
export function splitPlace(place: string): readonly [path: string, name?: string] {
  const [, path = place, name] = /^(.*\.\w+)#([^#]+)$/.exec(place) ?? []
  return name === undefined ? [path] : [path, name]
}

/** Whether a value is a contract: entries by subject templates, at least one. */
export function isContract(value: unknown): value is Events {
  if (typeof value !== 'object' || value === null) return false
  const entries = Object.entries(value)
  return entries.length > 0 && entries.every(([name, entry]) => isEntry(name, entry))
}

function isEntry(name: string, entry: unknown): boolean {
  const { schema = entry } = membersOf(entry)
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
