import type { Hub } from '../hub/hub.ts'

type Labels = Readonly<Record<string, string>>

/** One line of a metric: its labels, and its value. */
type Sample = readonly [labels: Labels, value: number]

/**
 * A hub's figures as Prometheus reads them.
 * @param labels of every sample, such as the hub's name
 * Source: https://prometheus.io/docs/instrumenting/exposition_formats/, text format 0.0.4.
 */
export function writeMetrics(hub: Hub, labels: Labels = {}): string {
  const { stats } = hub
  const metric = (name: string, type: 'gauge' | 'counter', help: string, samples: readonly Sample[]) =>
    writeMetric(
      { name, type, help },
      samples.map(([own, value]) => [{ ...labels, ...own }, value]),
    )
  const alone = (value: number): readonly Sample[] => [[{}, value]]
  const closed = [...stats.closed].map(([reason, count]): Sample => [{ reason }, count])
  return [
    metric('connections', 'gauge', 'Clients that are connected.', alone(stats.connections)),
    metric('connections_total', 'counter', 'Clients that have connected.', alone(stats.opened)),
    metric(
      'closed_connections_total',
      'counter',
      'Clients that the bridge has closed, by the reason they got.',
      closed,
    ),
    metric('subscriptions', 'gauge', 'Subscriptions of clients, but for replays.', alone(stats.subscriptions)),
    metric('upstream_subscriptions', 'gauge', 'Subscriptions at NATS.', alone(stats.upstreamSubscriptions)),
    metric('replays', 'gauge', 'Subject filters of streams that are followed.', alone(stats.replays)),
    metric('presence_channels', 'gauge', 'Channels of presence that have members or watchers.', alone(stats.channels)),
    metric('received_messages_total', 'counter', 'Messages that clients published.', alone(stats.inMessages)),
    metric('received_bytes_total', 'counter', 'Their headers and payloads.', alone(stats.inBytes)),
    metric('sent_messages_total', 'counter', 'Messages that clients were sent.', alone(stats.outMessages)),
    metric('sent_bytes_total', 'counter', 'All that clients were sent.', alone(stats.outBytes)),
    metric('upstream_open', 'gauge', 'Whether NATS is within reach.', alone(hub.upstreamOpen ? 1 : 0)),
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

/** Joins the figures of several hubs: the format wants all samples of a metric together, below its description. */
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
