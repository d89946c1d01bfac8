import type { AddCommand, CommandContext } from './command.ts'
import { addConnectionOptions, type ConnectionFlags, openTransport } from './connection/connection-options.ts'
import { type ConsumerInfo, listConsumers, listStreams } from './connection/jetstream-lists.ts'
import { formatDuration } from './terminal/duration.ts'
import { formatTable } from './terminal/table.ts'

/** `spanwire consumers`: how far the consumers of streams are. */
export const addConsumers: AddCommand = (program, context) => {
  const command = program
    .command('consumers')
    .description('list consumers: pending, unacknowledged and redelivered events, and lag')
    .argument('[stream]', 'only consumers of this stream')
    .option('--json', 'a JSON array')
  addConnectionOptions(command).action(
    async (stream: string | undefined, flags: ConnectionFlags & { readonly json?: boolean }) => {
      const transport = await openTransport(flags, context.env)
      try {
        const names = stream === undefined ? await listStreams(transport) : [stream]
        const found = (await Promise.all(names.map((name) => listConsumers(transport, name)))).flat()
        if (flags.json) context.terminal.out(JSON.stringify(found))
        else show(found, context)
      } finally {
        await transport.close()
      }
    },
  )
}

const HEAD = ['STREAM', 'CONSUMER', 'FILTER', 'PENDING', 'UNACKED', 'REDELIVERED', 'LAG', 'WAITING', 'LAST DELIVERY']

function show(consumers: readonly ConsumerInfo[], { terminal: { out, note, paint } }: CommandContext): void {
  if (consumers.length === 0) return note('No consumers.')
  const rows = consumers.map((one) => {
    const { stream, consumer, filter, pending, unacknowledged, redelivered, lag, waiting, lastDelivery } = one
    const isStuck = pending > 0 && waiting === 0 && one.kind === 'pull'
    const numbers = [pending, unacknowledged, redelivered, lag].map(String)
    const last = lastDelivery === undefined ? 'never' : `${formatDuration(Date.now() - lastDelivery)} ago`
    const asks = one.isPaused ? 'paused' : one.kind === 'push' ? 'push' : String(waiting)
    return [
      stream,
      { text: consumer, painted: paint(isStuck ? 'warn' : 'name', consumer) },
      filter,
      ...numbers,
      asks,
      last,
    ]
  })
  for (const line of formatTable(HEAD, rows)) out(line)
}
