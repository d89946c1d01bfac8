import type { RelayStatus } from './counts.ts'

type Sample = readonly [labels: Readonly<Record<string, string>>, value: number]

/**
 * Encodes the statistics of relays for Prometheus.
 * Source: https://prometheus.io/docs/instrumenting/exposition_formats/, text format 0.0.4.
 */
export function writeRelayMetrics(relays: readonly RelayStatus[]): string {
  const each = (read: (relay: RelayStatus) => number | undefined): Sample[] =>
    relays.flatMap((relay) => {
      const value = read(relay)
      const { name, direction, place, stream } = relay
      return value === undefined ? [] : [[{ relay: name, direction, place, stream }, value] as const]
    })
  const counter = (name: string, help: string, read: (relay: RelayStatus) => number) =>
    metric(`relay_${name}_total`, 'counter', help, each(read))
  const gauge = (name: string, help: string, read: (relay: RelayStatus) => number | undefined) =>
    metric(`relay_${name}`, 'gauge', help, each(read))
  return [
    counter('relayed', 'Messages that the other side confirmed.', ({ relayed }) => relayed),
    counter('duplicates', 'Messages that the stream had already.', ({ duplicates }) => duplicates),
    counter('redelivered', 'Deliveries marked as repetitions by the source.', ({ redelivered }) => redelivered),
    counter('dead', 'Messages that went to the dead letter.', ({ dead }) => dead),
    counter('loops', 'Messages that came from where they would go.', ({ loops }) => loops),
    counter('ignored', 'Tombstones that are ignored as declared.', ({ ignored }) => ignored),
    counter('without_id', 'Messages without an id.', ({ withoutId }) => withoutId),
    gauge('lag', 'Messages of the source that are not relayed.', ({ lag }) => lag),
    gauge('stopped_lanes', 'Lanes that wait behind a message.', ({ stoppedLanes }) => stoppedLanes.length),
    gauge('seconds_behind', 'Age of the last relayed message; 0 without lag.', ({ secondsBehind }) => secondsBehind),
    gauge('running', 'Whether messages can flow.', ({ state }) => (state === 'running' ? 1 : 0)),
  ].join('')
}

function metric(name: string, type: 'gauge' | 'counter', help: string, samples: readonly Sample[]): string {
  const full = `spanwire_${name}`
  const lines = samples.map(([labels, value]) => {
    const pairs = Object.entries(labels).map(([label, text]) => `${label}=${JSON.stringify(text)}`)
    return `${full}{${pairs}} ${value}\n`
  })
  return `# HELP ${full} ${help}\n# TYPE ${full} ${type}\n${lines.join('')}`
}
