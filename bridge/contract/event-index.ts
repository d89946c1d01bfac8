import { type ContractEvent, type Events, readEvent } from '../../sdk/contract/contract.ts'
import { filtersOverlap } from '../../sdk/wire/subject.ts'
import { SubjectTree } from '../upstream/subject-tree.ts'

/** An event of the contract, as the bridge finds it by a subject. */
export interface IndexedEvent extends ContractEvent {
  /** The filter that holds all of its subjects. */
  readonly filter: string
  /** Tokens of the filter that are params: their position and name. */
  readonly params: ReadonlyArray<readonly [at: number, name: string, rest: boolean]>
}

/** Events by subject. */
export class EventIndex {
  readonly #tree = new SubjectTree<IndexedEvent>()

  /** @throws SpanwireError `invalid-subject` */
  constructor(contract: Events) {
    for (const [name, entry] of Object.entries(contract)) {
      const event = readEvent(name, entry)
      const filter = event.template.filter({})
      const names = Object.keys(event.template.params(''))
      const params: Array<[number, string, boolean]> = []
      for (const [at, token] of filter.split('.').entries())
        if (token === '*' || token === '>') params.push([at, names[params.length] ?? '', token === '>'])
      this.#tree.add(filter, { ...event, filter, params })
    }
  }

  /** The event of a subject: the most specific one, if the subjects of several overlap. */
  find(subject: string): IndexedEvent | undefined {
    const [first, ...others] = this.#tree.match(subject)
    return others.reduce((best, other) => (best && isMoreSpecific(other.filter, best.filter) ? other : best), first)
  }

  /** The events with at least one subject that matches a filter. */
  overlapping(filter: string): IndexedEvent[] {
    return this.#tree.values().filter((event) => filtersOverlap(event.filter, filter))
  }
}

/** At the first token in which two filters differ, a word is more specific than `*`, and that than `>`. */
function isMoreSpecific(one: string, other: string): boolean {
  const rank = (token: string | undefined) => (token === '>' ? 2 : token === '*' ? 1 : 0)
  const others = other.split('.')
  for (const [at, token] of one.split('.').entries()) {
    const difference = rank(others[at]) - rank(token)
    if (difference !== 0) return difference > 0
  }
  return false
}

/**
 * The params of a subject. Those of a filter are left out where it has wildcards. Not `SubjectTemplate.params`, which keeps
 * subjects: clients choose them.
 */
export function readParams({ params }: IndexedEvent, filter: string): Readonly<Record<string, string>> {
  const tokens = filter.split('.')
  return Object.fromEntries(
    params.flatMap(([at, name, rest]) => {
      const value = rest ? tokens.slice(at) : tokens.slice(at, at + 1)
      const isOpen = value.length === 0 || value.some((token) => token === '*' || token === '>')
      return isOpen || tokens.slice(0, at).includes('>') ? [] : [[name, value.join('.')] as const]
    }),
  )
}
