import type { JetStreamReport, StreamReport } from '../hub/stream-reports.ts'
import { make } from '../page-kit/element.ts'
import type { Api } from './api.ts'
import { formatBytes, formatCount, formatDuration } from './format.ts'
import { Table } from './table.ts'
import type { View } from './view.ts'

type Stream = StreamReport
type Consumer = Stream['consumers'][number] & { readonly stream: string }

/** Streams of JetStream, and consumers by their lag. */
export class Streams implements View {
  readonly element = make('div', 'view')
  readonly interval = 4_000
  readonly #note = make('p', 'note')
  readonly #streams = new Table<Stream>(
    'Streams',
    [
      { title: 'Stream', cell: ({ name }) => name, look: 'mono' },
      { title: 'Subjects', cell: ({ subjects }) => subjects.join(', '), look: 'mono wide minor' },
      { title: 'Messages', cell: ({ messages }) => formatCount(messages), look: 'number' },
      { title: 'Size', cell: ({ bytes }) => formatBytes(bytes), look: 'number' },
      { title: 'Sequences', cell: ({ first_seq, last_seq }) => `${first_seq} to ${last_seq}`, look: 'number minor' },
      { title: 'Last message', cell: ({ last_ts, messages }) => ageOf(last_ts, messages), look: 'number minor' },
      { title: 'Consumers', cell: ({ consumer_count }) => formatCount(consumer_count), look: 'number' },
    ],
    ({ name }) => name,
    'No streams.',
  )
  readonly #consumers = new Table<Consumer>(
    'Consumers',
    [
      { title: 'Consumer', cell: ({ name }) => name, look: 'mono' },
      { title: 'Stream', cell: ({ stream }) => stream, look: 'mono' },
      { title: 'Filter', cell: ({ filter }) => filter, look: 'mono wide minor' },
      { title: 'Lag', cell: ({ lag }) => formatCount(lag), look: 'number' },
      { title: 'Undelivered', cell: ({ num_pending }) => formatCount(num_pending), look: 'number minor' },
      { title: 'Unacknowledged', cell: ({ num_ack_pending }) => formatCount(num_ack_pending), look: 'number minor' },
      { title: 'Redelivered', cell: ({ num_redelivered }) => formatCount(num_redelivered), look: 'number minor' },
    ],
    ({ stream, name }) => `${stream} ${name}`,
    'No consumers.',
  )

  constructor() {
    this.#note.role = 'status'
    this.element.append(
      make('section', 'card', make('h2', '', 'Streams'), this.#note, this.#streams.element),
      make('section', 'card', make('h2', '', 'Consumers'), this.#consumers.element),
    )
  }

  async refresh(api: Api): Promise<void> {
    const { body } = await api.any<JetStreamReport>('jsz')
    const { enabled, total, streams } = body
    const more = total > streams.length ? `. The first ${streams.length} are shown` : ''
    this.#note.textContent = enabled
      ? `${formatCount(total)} ${total === 1 ? 'stream' : 'streams'}${more}`
      : 'JetStream is not enabled.'
    this.#streams.show(streams)
    const consumers = streams.flatMap(({ name: stream, consumers }) => consumers.map((one) => ({ ...one, stream })))
    this.#consumers.show(consumers.sort((a, b) => b.lag - a.lag || a.name.localeCompare(b.name)))
  }
}

function ageOf(time: string, messages: number): string {
  const at = Date.parse(time)
  return messages > 0 && at > 0 ? `${formatDuration(Date.now() - at)} ago` : ''
}
