import { MAX_TIMER } from '../../../sdk/kit/max-timer.ts'
import { encodeHeaders } from '../../../sdk/wire/headers.ts'
import type { UpstreamMessage } from '../../upstream/upstream.ts'
import { apiErrors } from './api-error.ts'
import type { ConsumerConfig } from './consumer-config.ts'
import { type Fields, integer, oneOf, text, texts } from './fields.ts'
import { joinHeaders } from './join-headers.ts'

/** Options that give all messages to one client at a time (ADR-42). */
export type PriorityConfig = Pick<ConsumerConfig, 'priority_policy' | 'priority_groups' | 'priority_timeout'>

const DEFAULT_TIMEOUT = 120_000_000_000
const LONGEST_GROUP = 16
const NS_PER_MS = 1_000_000

/** Reads the priority options of a consumer. Throws ApiError. */
export function readPriority(fields: Fields): PriorityConfig {
  const refused = apiErrors.consumerCreate
  const policy = fields.priority_policy || 'none'
  const groups = texts(fields, 'priority_groups')
  const timeout = integer(fields, 'priority_timeout')
  if (policy === 'none') {
    if (groups.length > 0) throw refused('priority groups need a priority policy')
    return {}
  }
  if (policy !== 'pinned_client')
    throw refused('the embedded broker knows one priority policy, pinned_client: use nats-server for others')
  const [group = ''] = groups
  if (groups.length !== 1) throw refused('the embedded broker takes one priority group')
  if (!/^[\w/=-]+$/.test(group) || group.length > LONGEST_GROUP)
    throw refused(`a priority group is named by 1 to ${LONGEST_GROUP} letters, digits, '-', '_', '/' and '='`)
  if (fields.deliver_subject) throw refused('priority groups can not be used with push consumers')
  if (oneOf(fields, 'ack_policy', ['none', 'all', 'explicit']) === 'none')
    throw refused('pinned_client needs messages to be acknowledged')
  if (timeout < 0) throw refused('consumer durations can not be negative')
  return { priority_policy: policy, priority_groups: groups, priority_timeout: timeout || DEFAULT_TIMEOUT }
}

/** Reads the pin id of a pull request. Throws ApiError. */
export function readGroup(asked: Fields, config: PriorityConfig): string | undefined {
  const group = text(asked, 'group')
  const id = text(asked, 'id')
  if (!config.priority_policy) {
    if (id !== undefined) throw apiErrors.invalidJson('Not a Pinned Client Priority consumer')
    return undefined
  }
  if (group === undefined) throw apiErrors.invalidJson('Priority Group missing')
  if (!config.priority_groups?.includes(group)) throw apiErrors.invalidJson('Invalid Priority Group')
  return id
}

/** The client that gets all messages of a consumer at the moment. */
export class ClientPin {
  #id: string | undefined
  #timer: ReturnType<typeof setTimeout> | undefined
  readonly #timeout: number
  readonly #released: () => void

  /** @param released called when the client has made no request within the timeout */
  constructor({ priority_timeout = DEFAULT_TIMEOUT }: PriorityConfig, released: () => void) {
    this.#timeout = Math.min(priority_timeout / NS_PER_MS, MAX_TIMER)
    this.#released = released
  }

  get id(): string | undefined {
    return this.#id
  }

  assign(): string {
    this.#id = crypto.randomUUID().replaceAll('-', '').slice(0, 22)
    this.renew()
    return this.#id
  }

  /** The client has made a request. */
  renew(): void {
    clearTimeout(this.#timer)
    this.#timer = setTimeout(() => {
      this.release()
      this.#released()
    }, this.#timeout)
  }

  release(): void {
    this.#id = undefined
    clearTimeout(this.#timer)
  }

  /** Adds the header for the pinned client. */
  addHeader(message: UpstreamMessage): UpstreamMessage {
    const field = encodeHeaders([['Nats-Pin-Id', this.#id ?? '']])
    return { ...message, headers: message.headers ? joinHeaders(message.headers, field) : field }
  }
}
