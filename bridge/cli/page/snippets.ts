import type { EventDescription } from '../contract/event-description.ts'

/** The values in a snippet. */
export interface SnippetOf {
  /** Undefined for a plain subject. */
  readonly event: EventDescription | undefined
  readonly contract: string | undefined
  readonly subject: string
  readonly filter: string
  readonly params: Readonly<Record<string, string>>
  readonly data: unknown
  readonly url: string
  readonly token: string
}

/** The languages, in the order of their tabs. */
export const LANGUAGES = ['TypeScript', 'curl', 'Terminal'] as const

export type Language = (typeof LANGUAGES)[number]

export function snippetFor(language: Language, of: SnippetOf): string {
  if (language === 'curl') return curl(of)
  return language === 'Terminal' ? terminal(of) : typescript(of)
}

function typescript(of: SnippetOf): string {
  const { event, contract, url, token, params, data } = of
  if (!event) return starter(of)
  const file = `./${(contract ?? 'events.ts').split('#')[0]?.split('/').at(-1)}`
  const name = quote(event.name)
  const given = paramsText(params, event, false)
  const filter = paramsText(params, event, true)
  const call = event.reply ? 'request' : 'publish'
  const stored = event.stream ? `, { from: 'all' }` : ''
  const shown = event.params.length > 0 ? 'e.params, e.data' : 'e.data'
  const read = event.reply
    ? `await bus.respond(${name}${filter}, (e) => ({ /* the answer */ })).ready`
    : `await bus.on(${name}${filter}, (e) => {\n  console.log(${shown})\n}${stored}).ready`
  return `import { connect } from 'spanwire'
import { events } from ${quote(file)}

const bus = connect({
  url: ${quote(url)},
  events,
  token: ${quote(token)}, // for development only
})

${read}

${event.reply ? 'const answer = ' : ''}await bus.${call}(${name}${given}, ${literal(data)})`
}

/** For a folder that has no contract: the whole way to a first event. */
function starter({ url, token }: SnippetOf): string {
  return `// events.ts, then start again: npx spanwire dev
import { defineEvents } from 'spanwire'
import { z } from 'zod' // npm install spanwire zod

export const events = defineEvents({
  'chat.{room}.message': z.object({ text: z.string() }),
})

// client.ts, in a page or anywhere else
import { connect } from 'spanwire'
import { events } from './events.ts'

const bus = connect({
  url: ${quote(url)},
  events,
  token: ${quote(token)}, // for development only
})

await bus.on('chat.{room}.message', (e) => console.log(e.params.room, e.data.text)).ready

await bus.publish('chat.{room}.message', { room: 'lobby' }, { text: 'hello' })`
}

function paramsText(params: Readonly<Record<string, string>>, event: EventDescription, isFilter: boolean): string {
  if (event.params.length === 0) return ''
  const given = event.params.filter(({ name }) => !isFilter || params[name])
  if (given.length === 0) return ''
  const pairs = given.map(({ name }) => `${keyText(name)}: ${quote(params[name] || 'x')}`)
  return `, { ${pairs.join(', ')} }`
}

function curl({ url, token, subject, filter, data, event }: SnippetOf): string {
  const verb = event?.reply ? 'request' : 'publish'
  const stream = event?.stream ? `&from=all` : ''
  return `TOKEN=${shell(token)}

curl ${shell(`${url}/${verb}/${subject}`)} \\
  -H "Authorization: Bearer $TOKEN" \\
  -d ${shell(JSON.stringify(data))}

# Read events as they come (Server-Sent Events):
curl -N ${shell(`${url}/events?subject=${encodeURIComponent(filter)}${stream}`)} \\
  -H "Authorization: Bearer $TOKEN"`
}

function terminal({ subject, filter, data, event, contract }: SnippetOf): string {
  const verb = event?.reply ? 'request' : 'pub'
  const check = contract ? ` --contract ${shell(contract)}` : ''
  const stored = event?.stream && !contract ? ' --stored' : ''
  return `# In this folder the token and the address are known.
npx spanwire tail ${shell(filter)}${event?.stream ? ' --from last:10' : ''}

npx spanwire ${verb} ${shell(subject)} ${shell(JSON.stringify(data))}${check}${stored}`
}

/** In characters: longer ones are broken into lines. */
const SHORT = 56

/** A JSON value as TypeScript. */
function literal(value: unknown, indent = ''): string {
  if (typeof value === 'string') return quote(value)
  if (typeof value !== 'object' || value === null) return JSON.stringify(value)
  const inner = `${indent}  `
  const parts = Array.isArray(value)
    ? value.map((item) => literal(item, inner))
    : Object.entries(value).map(([key, item]) => `${keyText(key)}: ${literal(item, inner)}`)
  const [open, close] = Array.isArray(value) ? ['[', ']'] : ['{', '}']
  if (parts.length === 0) return open + close
  const line = parts.join(', ')
  if (line.length <= SHORT && !line.includes('\n')) return Array.isArray(value) ? `[${line}]` : `{ ${line} }`
  return `${open}\n${parts.map((part) => `${inner}${part},\n`).join('')}${indent}${close}`
}

function keyText(key: string): string {
  return /^[A-Za-z_$][\w$]*$/.test(key) ? key : quote(key)
}

function quote(text: string): string {
  return `'${text.replace(/[\\']/g, '\\$&').replaceAll('\n', '\\n').replaceAll('\r', '\\r')}'`
}

/** For a POSIX shell. */
function shell(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`
}
