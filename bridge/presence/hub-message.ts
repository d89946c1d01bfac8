import type { Member } from '../../sdk/wire/presence-frames.ts'

/** Messages between hubs about a channel, in JSON on `$EDGE.HUBS.PRESENCE.<channel>`. */
export type HubMessage =
  /** Changes of a hub's members. `n` counts these messages of the hub and channel. */
  | { readonly hub: string; readonly n: number; readonly joined: readonly Member[]; readonly left: readonly string[] }
  /** All members of a hub after change `n`, in parts. Part 0 replaces earlier ones. */
  | { readonly hub: string; readonly n: number; readonly part: number; readonly members: readonly Member[] }
  /** A signal of a member. `member` is set if its join was not sent yet. */
  | { readonly hub: string; readonly id: string; readonly data: unknown; readonly member?: Member }
  /** Requests all members of all other hubs. `direct`: the answers go to the hub's own subject. */
  | { readonly hub: string; readonly ask: true; readonly direct: boolean }

/** Every hub with members publishes its id here, every few seconds. */
export const ALIVE_SUBJECT = '$EDGE.HUBS.ALIVE'

/** Longest id of a hub or member, in characters. The hub's own ids have up to 60. */
const MAX_ID = 256

const decoder = new TextDecoder()

/**
 * The subject on which all hubs with a channel exchange messages, or on which the hub `to` receives answers to its requests
 * about the channel.
 */
export function hubSubject(channel: string, to?: string): string {
  return `$EDGE.HUBS.${to === undefined ? 'PRESENCE' : `ANSWERS.${to}`}.${channel}`
}

/**
 * Reads a message between hubs. Returns undefined if any part of it is malformed: it may come from a bridge of another
 * version, or from any program that may publish to `>`.
 */
export function parseHubMessage(payload: Uint8Array): HubMessage | undefined {
  const fields = parseObject(payload)
  if (!fields || !isId(fields.hub)) return undefined
  const { hub } = fields
  if ('ask' in fields)
    // The id must be one token of a subject.
    return fields.ask === true ? { hub, ask: true, direct: fields.direct === true && /^[\w-]+$/.test(hub) } : undefined
  if ('data' in fields) return parseSignal(hub, fields)
  const { n } = fields
  if (!isCount(n)) return undefined
  if ('members' in fields) {
    const { part } = fields
    const members = parseMembers(fields.members)
    return members && isCount(part) ? { hub, n, part, members } : undefined
  }
  const joined = parseMembers(fields.joined)
  const { left } = fields
  return joined && Array.isArray(left) && left.every(isId) ? { hub, n, joined, left } : undefined
}

function parseSignal(hub: string, { id, data, member }: Fields): HubMessage | undefined {
  if (!isId(id)) return undefined
  if (member === undefined) return { hub, id, data }
  const parsed = parseMember(member)
  return parsed && { hub, id, data, member: parsed }
}

function parseMembers(value: unknown): readonly Member[] | undefined {
  if (!Array.isArray(value)) return undefined
  const members = value.flatMap((one) => parseMember(one) ?? [])
  return members.length === value.length ? members : undefined
}

function parseMember(value: unknown): Member | undefined {
  const { id, user, claims, state } = Object(value) as Fields
  if (!isId(id) || typeof user !== 'string') return undefined
  return { id, user, ...(claims !== undefined && { claims }), ...(state !== undefined && { state }) }
}

type Fields = Readonly<Record<string, unknown>>

function parseObject(payload: Uint8Array): Fields | undefined {
  try {
    const value: unknown = JSON.parse(decoder.decode(payload))
    return typeof value === 'object' && value !== null ? (value as Fields) : undefined
  } catch {
    return undefined
  }
}

function isId(value: unknown): value is string {
  return typeof value === 'string' && value !== '' && value.length <= MAX_ID
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0
}
