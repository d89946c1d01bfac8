import { DEPARTED, MESSAGE, ROOM } from '../events.ts'
import type { Filter } from './filter.ts'

/** Choices of the visitor that the program contains. */
export interface Choices {
  readonly url: string
  readonly filter: Filter
  readonly name: string
  readonly text: string
}

/** A piece of the program. The visitor has chosen the pieces that are `hot`. */
export interface Piece {
  readonly code: string
  readonly isHot: boolean
}

/**
 * A program that does the same as this page. It is complete: saved as a module next to the packages `spanwire` and `zod`,
 * it runs on Node, Deno and Bun.
 */
export function writeProgram({ url, filter, name, text }: Choices): Piece[] {
  return code`import { connect, defineEvents, event } from 'spanwire'
import { z } from 'zod'

const events = defineEvents({
  '${plain(DEPARTED)}': event(
    z.object({ delay: z.number(), via: z.string() }),
    { stream: 'FLIGHTS' },
  ),
  '${plain(MESSAGE)}': event(
    z.object({ name: z.string(), text: z.string() }),
    { stream: 'CHAT' },
  ),
})

const url = ${plain(quote(url))}
const token = async () =>
  (await (await fetch(url + '/demo/token')).json()).token
const bus = connect({ url, events, token })

bus.on(
  '${plain(DEPARTED)}',
  { origin: ${quote(filter.origin)}, destination: ${quote(filter.destination)} },
  (e) => console.log(e.subject, e.data.delay, 'min late'),
  { from: { last: 100 } },
)

// Your line in the chat of this page
await bus.publish(
  '${plain(MESSAGE)}',
  { room: '${plain(ROOM)}' },
  {
    name: ${quote(name || 'Ada')},
    text: ${quote(text || 'Hello from my own program')},
  },
)
`
}

/** Marks a value that is the same for all visitors. */
class Plain {
  readonly code: string

  constructor(code: string) {
    this.code = code
  }
}

function plain(code: string): Plain {
  return new Plain(code)
}

function code(texts: TemplateStringsArray, ...values: readonly (string | Plain)[]): Piece[] {
  const pieces: { code: string; isHot: boolean }[] = []
  const add = (code: string, isHot: boolean): void => {
    const last = pieces.at(-1)
    if (last && !isHot && !last.isHot) last.code += code
    else if (code !== '') pieces.push({ code, isHot })
  }
  for (const [i, text] of texts.entries()) {
    add(text, false)
    const value = values[i]
    if (value instanceof Plain) add(value.code, false)
    else if (value !== undefined) add(value, true)
  }
  return pieces
}

/** A string literal. */
function quote(text: string): string {
  return `'${text.replace(/[\\']/g, '\\$&').replace(/[\r\n\u2028\u2029]/g, ' ')}'`
}
