import { json } from '../contract/codec.ts'
import { type ContractEvent, type Events, readEvent } from '../contract/contract.ts'
import type { StandardSchema } from '../contract/standard-schema.ts'
import { toSocketUrl } from '../transport/websocket/socket-url.ts'
import { SpanwireError } from '../wire/errors.ts'
import { ID_HEADER, TIME_HEADER, VERSION_HEADER } from '../wire/header-names.ts'
import { type JsonSchema, toJsonSchema } from './json-schema.ts'

/** Options of {@link toAsyncApi}. */
export interface AsyncApiOptions {
  /** Title of the document. */
  readonly title: string
  /** Version of the contract, such as `1.0.0`. */
  readonly version: string
  /** Description of the contract. */
  readonly description?: string
  /** URL of a bridge, a WebSocket or a NATS server. Default: the document has no server. */
  readonly url?: string | URL
  /**
   * Converts a schema to JSON Schema (draft 07), such as valibot's `toJsonSchema`. It may return undefined to omit the
   * schema. Default: Standard JSON Schema (zod from 4.2, arktype).
   */
  readonly toJsonSchema?: (schema: StandardSchema) => JsonSchema | undefined
  /** Relays to describe, by name: each with its broker, its channel and bindings, and its operation. Default: none */
  readonly relays?: Readonly<Record<string, DescribedRelay>>
}

/** The description of a relay. `into` and `outOf` of `spanwire/relay` return it. */
export interface DescribedRelay {
  /** `in`: from the broker to NATS. `out`: from NATS to the broker. */
  readonly direction: 'in' | 'out'
  /** The event of the contract. */
  readonly event: { readonly name: string }
  /** The source at the broker, for `in`. */
  readonly from?: { readonly described: ForeignChannel }
  /** The target at the broker, for `out`. */
  readonly to?: { readonly described: ForeignChannel }
}

/** A topic, queue or exchange of a foreign broker. */
export interface ForeignChannel {
  /** `kafka`, `amqp`, `amqps` or `stomp`. */
  readonly protocol: string
  /** `host:port` of the broker. */
  readonly host: string
  /** Name of the topic, queue or exchange. */
  readonly address: string
  /** Bindings of the channel, by AsyncAPI's binding of the protocol. Default: none */
  readonly channel?: Readonly<Record<string, unknown>>
}

/** An AsyncAPI document: plain data for JSON or YAML. */
export interface AsyncApiDocument {
  /** Version of AsyncAPI. */
  readonly asyncapi: '3.0.0'
  /** Title, version and description of the contract. */
  readonly info: { readonly title: string; readonly version: string; readonly description?: string }
  /** Media type of messages. */
  readonly defaultContentType: string
  /** Servers by name. */
  readonly servers?: Readonly<Record<string, object>>
  /** A channel for each event, by id. */
  readonly channels: Readonly<Record<string, object>>
  /** Two operations for each event, by id. */
  readonly operations: Readonly<Record<string, object>>
  /** Messages and security schemes. */
  readonly components: Readonly<Record<string, Readonly<Record<string, object>>>>
}

/**
 * Converts a contract to an AsyncAPI document. It has a channel for each event, with its parameters and schema, and two
 * operations, for publishing and subscribing. An event with a `reply` is a request. `x-jetstream-stream` is the name of an
 * event's stream, and `x-spanwire-version` its version above 1.
 *
 * @example
 *     await writeFile('asyncapi.json', JSON.stringify(toAsyncApi(events, { title: 'Shop', version: '1.0.0' })))
 *
 * Source: https://www.asyncapi.com/docs/reference/specification/v3.0.0
 * @throws SpanwireError `unsupported` for a schema without JSON Schema, `invalid-argument` for a `url` that is not valid
 */
export function toAsyncApi(events: Events, options: AsyncApiOptions): AsyncApiDocument {
  const { title, version, description, url } = options
  const channels: Record<string, object> = {}
  const operations: Record<string, object> = {}
  const messages: Record<string, object> = {}
  const ids = new Map<string, string>()
  for (const [name, entry] of Object.entries(events)) {
    const event = readEvent(name, entry)
    const id = idFor(name, channels)
    ids.set(name, id)
    const answers = event.reply && { id: `${id}.reply`, schema: event.reply }
    channels[id] = channel(event, id)
    messages[id] = message(event, event.schema, name, options)
    if (answers) {
      // The requester chooses the reply subject.
      channels[answers.id] = { address: null, messages: { reply: ref('components/messages', answers.id) } }
      messages[answers.id] = message(event, answers.schema, `${name} reply`, options)
    }
    for (const [verb, action] of [
      ['publish', 'send'],
      ['subscribe', 'receive'],
    ] as const)
      operations[`${verb}.${id}`] = {
        action,
        channel: ref('channels', id),
        messages: [ref('channels', id, 'messages/event')],
        ...(answers && {
          reply: { channel: ref('channels', answers.id), messages: [ref('channels', answers.id, 'messages/reply')] },
        }),
      }
  }
  const server = url === undefined ? undefined : describeServer(url)
  const brokers: Record<string, object> = {}
  for (const [name, relay] of Object.entries(options.relays ?? {}))
    describeRelay(name, relay, { channels, operations, brokers, idOf: (event) => ids.get(event) })
  const servers = { ...(server && { [server.name]: server.described }), ...brokers }
  return {
    asyncapi: '3.0.0',
    info: { title, version, ...(description !== undefined && { description }) },
    defaultContentType: json.contentType,
    ...(Object.keys(servers).length > 0 && { servers }),
    channels,
    operations,
    components: {
      messages,
      ...(server?.name === 'bridge' && {
        securitySchemes: { token: { type: 'http', scheme: 'bearer', bearerFormat: 'JWT' } },
      }),
    },
  }
}

interface RelayParts {
  readonly channels: Record<string, object>
  readonly operations: Record<string, object>
  readonly brokers: Record<string, object>
  readonly idOf: (event: string) => string | undefined
}

/**
 * Adds the foreign channel of a relay, with the message of its event.
 * @throws SpanwireError `unknown-event`
 */
function describeRelay(name: string, relay: DescribedRelay, { channels, operations, brokers, idOf }: RelayParts): void {
  const foreign = (relay.direction === 'in' ? relay.from : relay.to)?.described
  const event = idOf(relay.event.name)
  if (event === undefined || !foreign)
    throw new SpanwireError(
      'unknown-event',
      `The event ${relay.event.name} of the relay ${name} is not in the contract.`,
    )
  const { protocol, host, address, channel: bindings } = foreign
  const broker = idFor(`${protocol}.${host}`, brokers, { protocol, host })
  brokers[broker] = { host, protocol }
  const id = idFor(`relay.${name}`, channels)
  channels[id] = {
    address,
    servers: [ref('servers', broker)],
    messages: { event: ref('components/messages', event) },
    ...(bindings && { bindings }),
  }
  operations[id] = {
    action: relay.direction === 'in' ? 'receive' : 'send',
    channel: ref('channels', id),
    messages: [ref('channels', id, 'messages/event')],
    [relay.direction === 'in' ? 'x-relayed-to' : 'x-relayed-from']: ref('channels', event),
  }
}

/** Each `{param}`, and whether it matches the rest of the subject. */
const PARAM = /\{([^{}]+?)(\.\.\.)?\}/g

function channel({ name, stream, version }: ContractEvent, id: string): object {
  const parameters = Object.fromEntries(
    [...name.matchAll(PARAM)].map(([, param, rest]) => [
      param,
      { description: rest ? 'One or more subject tokens, separated by dots.' : 'One subject token.' },
    ]),
  )
  return {
    address: name.replaceAll('...}', '}'),
    messages: { event: ref('components/messages', id) },
    ...(Object.keys(parameters).length > 0 && { parameters }),
    ...(stream && { 'x-jetstream-stream': stream }),
    ...(version && { 'x-spanwire-version': version }),
  }
}

function message(
  { codec, version }: ContractEvent,
  schema: StandardSchema,
  name: string,
  options: AsyncApiOptions,
): object {
  // Other encodings have no JSON Schema.
  const payload = codec === json ? toJsonSchema(schema, name, options.toJsonSchema) : undefined
  return {
    name,
    contentType: codec.contentType,
    headers: {
      type: 'object',
      properties: {
        [ID_HEADER]: { type: 'string', description: 'Unique id of the event.' },
        [TIME_HEADER]: { type: 'string', description: 'Time of publishing, in ms since 1970.' },
        ...(version && { [VERSION_HEADER]: { type: 'string', description: 'Version of the schema.' } }),
      },
    },
    ...(payload && { payload }),
  }
}

function describeServer(given: string | URL): { readonly name: string; readonly described: object } {
  const direct = URL.parse(given)
  if (direct && /^(nats|tls):$/.test(direct.protocol))
    return { name: 'nats', described: { host: direct.host, protocol: 'nats' } }
  const { host, protocol, pathname } = new URL(toSocketUrl(given))
  const described = {
    host,
    protocol: protocol.slice(0, -1),
    pathname,
    description: 'The NATS client protocol over WebSocket. CONNECT contains the token.',
    security: [ref('components/securitySchemes', 'token')],
  }
  return { name: 'bridge', described }
}

/** Returns a unique id. It may have letters, digits, dots, `-` and `_`. Entries that equal `same` share one. */
function idFor(name: string, taken: Readonly<Record<string, object>>, same?: object): string {
  const plain = name
    .replace(/[{}]/g, '')
    .replace(/[^\w.-]+/g, '_')
    .replace(/\.+$/, '')
  const isTaken = (id: string) =>
    Object.hasOwn(taken, id) && !(same && JSON.stringify(sorted(taken[id])) === JSON.stringify(sorted(same)))
  let id = plain
  for (let n = 2; isTaken(id) || Object.hasOwn(taken, `${id}.reply`); n++) id = `${plain}_${n}`
  return id
}

function sorted(given: object | undefined): ReadonlyArray<readonly [string, unknown]> {
  return Object.entries(given ?? {}).sort(([a], [b]) => (a < b ? -1 : 1))
}

function ref(...path: readonly string[]): { readonly $ref: string } {
  return { $ref: `#/${path.join('/')}` }
}
