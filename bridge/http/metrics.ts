import type { HubCore } from '../hub/hub-core.ts'
import type { JetStreamReport } from '../hub/stream-reports.ts'

type Labels = Readonly<Record<string, string>>

/** One line of a metric: labels and value. */
type Sample = readonly [labels: Labels, value: number]

/** Consumers with a series. A durable name is one series for ever, and an ephemeral one would be a new one each time. */
const MAX_CONSUMERS = 500

/**
 * Statistics of a hub in the text format of Prometheus.
 * @param labels labels of every sample, such as the hub's name
 * @param jetstream streams and consumers. Undefined if they are unknown, or another hub of the group reports them
 * Source: https://prometheus.io/docs/instrumenting/exposition_formats/, text format 0.0.4.
 */
export function writeMetrics(hub: HubCore, labels: Labels = {}, jetstream?: JetStreamReport): string {
  const { stats } = hub
  const metric = (name: string, type: 'gauge' | 'counter', help: string, samples: readonly Sample[]) =>
    writeMetric(
      { name, type, help },
      samples.map(([own, value]) => [{ ...labels, ...own }, value]),
    )
  const single = (value: number): readonly Sample[] => [[{}, value]]
  const closed = [...stats.closed].map(([reason, count]): Sample => [{ reason }, count])
  const refused = [...hub.log.refused].map(([key, count]): Sample => {
    const [what = '', code = ''] = key.split(' ')
    return [{ what: what.replace('-refused', ''), code }, count]
  })
  const { streams = [], dead_letters: dead = [] } = jetstream ?? {}
  const consumers = streams
    .flatMap(({ name: stream, consumers }) => consumers.map((one) => ({ ...one, stream })))
    .filter(({ durable }) => durable)
    .slice(0, MAX_CONSUMERS)
  const ofConsumers = (read: (consumer: (typeof consumers)[number]) => number): Sample[] =>
    consumers.map((one) => [{ stream: one.stream, consumer: one.name }, read(one)])
  return [
    metric('connections', 'gauge', 'Clients that are connected.', single(stats.connections)),
    metric('connections_total', 'counter', 'Clients that have connected.', single(stats.opened)),
    metric(
      'closed_connections_total',
      'counter',
      'Clients that the bridge has closed, by the reason they got.',
      closed,
    ),
    metric('subscriptions', 'gauge', 'Subscriptions of clients, but for replays.', single(stats.subscriptions)),
    metric('upstream_subscriptions', 'gauge', 'Subscriptions at NATS.', single(stats.upstreamSubscriptions)),
    metric('replays', 'gauge', 'Subject filters of streams that are followed.', single(stats.replays)),
    metric('presence_channels', 'gauge', 'Channels of presence that have members or watchers.', single(stats.channels)),
    metric('received_messages_total', 'counter', 'Messages that clients published.', single(stats.inMessages)),
    metric('received_bytes_total', 'counter', 'Their headers and payloads.', single(stats.inBytes)),
    metric('sent_messages_total', 'counter', 'Messages that clients were sent.', single(stats.outMessages)),
    metric('sent_bytes_total', 'counter', 'All that clients were sent.', single(stats.outBytes)),
    metric('refused_total', 'counter', 'Refused credentials and requests, by the code of the error.', refused),
    metric(
      'limits_reached_total',
      'counter',
      'Operations, requests and clients that were refused or closed because of a limit.',
      [...hub.log.reached].map(([limit, count]) => [{ limit }, count]),
    ),
    metric(
      'stream_messages',
      'gauge',
      'Messages of a stream, such as one for dead letters.',
      streams.map(({ name, messages }) => [{ stream: name }, messages]),
    ),
    metric(
      'dead_letters',
      'gauge',
      'Dead letters by stream and subject, for the filters in monitoring.deadLetters.',
      dead.map(({ stream, subject, messages }) => [{ stream, subject }, messages]),
    ),
    metric(
      'consumer_lag',
      'gauge',
      'Messages that a durable consumer has not acknowledged, delivered or not.',
      ofConsumers(({ lag }) => lag),
    ),
    metric(
      'consumer_redelivered',
      'gauge',
      'Unacknowledged messages that were delivered more than once.',
      ofConsumers(({ num_redelivered }) => num_redelivered),
    ),
    metric('upstream_open', 'gauge', 'Whether NATS is within reach.', single(hub.upstreamOpen ? 1 : 0)),
  ].join('')
}

interface Metric {
  readonly name: string
  readonly type: 'gauge' | 'counter'
  readonly help: string
}

function writeMetric({ name, type, help }: Metric, samples: readonly Sample[]): string {
  const full = `spanwire_${name}`
  const lines = samples.map(([labels, value]) => {
    const pairs = Object.entries(labels).map(([label, text]) => `${label}=${JSON.stringify(text)}`)
    return `${full}${pairs.length > 0 ? `{${pairs}}` : ''} ${value}\n`
  })
  return `# HELP ${full} ${help}\n# TYPE ${full} ${type}\n${lines.join('')}`
}

/** Joins the metrics of several hubs. In this format, all samples of a metric follow its description. */
export function mergeMetrics(texts: readonly string[]): string {
  const byMetric = new Map<string, string[]>()
  for (const block of texts.flatMap((text) => text.split(/^(?=# HELP )/m))) {
    const lines = block.split('\n').filter((line) => line !== '')
    const head = lines.filter((line) => line.startsWith('#')).join('\n')
    if (head === '') continue
    byMetric.set(head, [...(byMetric.get(head) ?? []), ...lines.filter((line) => !line.startsWith('#'))])
  }
  return [...byMetric].map(([head, samples]) => `${[head, ...samples].join('\n')}\n`).join('')
}
