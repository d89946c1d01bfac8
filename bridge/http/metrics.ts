import type { Hub } from '../hub/hub.ts'

/** One line of a metric: its labels, and its value. */
type Sample = readonly [labels: Readonly<Record<string, string>>, value: number]

/**
 * A hub's figures as Prometheus reads them.
 * Source: https://prometheus.io/docs/instrumenting/exposition_formats/, text format 0.0.4.
 */
export function writeMetrics(hub: Hub): string {
  const { stats } = hub
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

function metric(name: string, type: 'gauge' | 'counter', help: string, samples: readonly Sample[]): string {
  const full = `spanwire_${name}`
  const lines = samples.map(([labels, value]) => {
    const pairs = Object.entries(labels).map(([label, text]) => `${label}=${JSON.stringify(text)}`)
    return `${full}${pairs.length > 0 ? `{${pairs}}` : ''} ${value}\n`
  })
  return `# HELP ${full} ${help}\n# TYPE ${full} ${type}\n${lines.join('')}`
}
