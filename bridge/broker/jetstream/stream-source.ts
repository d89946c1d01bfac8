import { readFields } from '../../../sdk/wire/header-fields.ts'
import { encodeHeaders } from '../../../sdk/wire/headers.ts'
import type { UpstreamMessage } from '../../upstream/upstream.ts'
import { Filter } from './filter.ts'
import { encodeCopied, joinHeaders } from './join-headers.ts'
import { type SourceConfig, sourceId } from './source-config.ts'
import type { Stream, StreamObserver } from './stream.ts'
import type { StoreRecord } from './stream-store.ts'
import { createTransform } from './subject-transform.ts'

/** Header of a copy: stream, sequence, filters, destinations and subject of its original. */
const SOURCE = 'Nats-Stream-Source'
/** Conditions of the original publish, which a copy does not have. */
const CONDITION = /^Nats-Expected-/i

/** Copies the messages of another stream to a stream, in their order, each once. */
export class StreamSource implements StreamObserver {
  readonly #target: Stream
  readonly #config: SourceConfig
  readonly #filters: readonly string[]
  readonly #change: (subject: string) => string
  #origin: Stream | undefined
  /** Sequence of the last original that was copied, or its copy refused as a duplicate. */
  #last: number | undefined
  #isCopying = false

  constructor(target: Stream, config: SourceConfig) {
    const { filter_subject, subject_transforms = [] } = config
    this.#target = target
    this.#config = config
    this.#filters = filter_subject === undefined ? subject_transforms.map(({ src }) => src) : [filter_subject]
    const changes = subject_transforms.map(({ src, dest }) => createTransform(src, dest || '>'))
    this.#change = (subject) => {
      for (const change of changes) {
        const changed = change?.(subject)
        if (changed !== undefined) return changed
      }
      return subject
    }
    this.#last = this.#findLast()
  }

  /** Name of the other stream. */
  get name(): string {
    return this.#config.name
  }

  /** Copies the messages of the other stream, and its new messages from now on. */
  attach(origin: Stream): void {
    this.detach()
    this.#origin = origin
    origin.observers.add(this)
    this.added()
  }

  detach(): void {
    this.#origin?.observers.delete(this)
    this.#origin = undefined
  }

  /** As in STREAM.INFO. */
  info(): object {
    const { name, subject_transforms, filter_subject } = this.#config
    const origin = this.#origin
    const lag = origin ? origin.index.count(this.#next(origin), this.#filterOf(origin)) : 0
    return {
      name,
      lag,
      active: origin ? 0 : -1,
      ...(filter_subject !== undefined && { filter_subject }),
      ...(subject_transforms && { subject_transforms }),
    }
  }

  added(): void {
    const origin = this.#origin
    if (!origin || this.#isCopying) return
    this.#isCopying = true
    try {
      const filter = this.#filterOf(origin)
      for (let entry = origin.index.next(this.#next(origin), filter); entry; ) {
        const record = origin.read(entry.seq)
        if (record) this.#target.appendCopy(this.#copyOf(record))
        this.#last = entry.seq
        entry = origin.index.next(entry.seq + 1, filter)
      }
    } catch {
      // The stream is full, or the broker. The next message of the other stream begins another attempt.
    } finally {
      this.#isCopying = false
    }
  }

  removed(): void {}

  #filterOf(origin: Stream): Filter {
    return new Filter(this.#filters, origin.knownSubjects)
  }

  #next(origin: Stream): number {
    if (this.#last !== undefined) return this.#last + 1
    const { opt_start_seq = 1, opt_start_time } = this.#config
    if (opt_start_time === undefined) return opt_start_seq
    return origin.index.since(Date.parse(opt_start_time))?.seq ?? origin.lastSeq + 1
  }

  #copyOf({ subject, headers, payload, seq }: StoreRecord): UpstreamMessage {
    const [name = '', ...rest] = sourceId(this.#config).split(' ')
    const source = encodeHeaders([[SOURCE, [name, seq, ...rest, subject].join(' ')]])
    const kept = readFields(headers).filter(([field]) => !CONDITION.test(field) && field !== SOURCE)
    return {
      subject: this.#change(subject),
      headers: kept.length > 0 ? joinHeaders(encodeCopied(kept), source) : source,
      payload,
    }
  }

  /** Finds the position in the other stream in the last copy. */
  #findLast(): number | undefined {
    const { index } = this.#target
    const all = new Filter([], [])
    const [name = '', ...rest] = sourceId(this.#config).split(' ')
    const { firstSeq, lastSeq } = this.#target
    for (let seq = lastSeq; seq >= firstSeq && seq > 0; seq--) {
      if (index.next(seq, all)?.seq !== seq) continue
      const value = readFields(this.#target.read(seq)?.headers).find(([field]) => field === SOURCE)?.[1] ?? ''
      const [stream, position, ...identity] = value.split(' ')
      if (stream === name && rest.join(' ') === identity.slice(0, -1).join(' ')) return Number(position)
    }
    return undefined
  }
}
