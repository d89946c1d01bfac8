import { connect, headers, type NatsConnection } from 'nats'
import { expect, it } from 'vitest'
import { NEVER_STORED, NEVER_STORED_CODES } from '../../sdk/jetstream/never-stored.ts'
import { eventually } from '../support/eventually.ts'
import { startNatsCluster } from '../support/nats-cluster.ts'

const toHost = (url: string) => url.replace('nats://', '')

async function ask(connection: NatsConnection, subject: string, id: string) {
  const fields = headers()
  fields.set('Nats-Msg-Id', id)
  for (const [name, value] of NEVER_STORED) fields.set(name, value)
  const answer = await connection.request(subject, new Uint8Array(), { headers: fields, timeout: 5_000 })
  return answer.json<{ duplicate?: boolean; error?: { err_code: number } }>()
}

it('a query for a stored event leaves streams of one and of three replicas as they are', async () => {
  await using cluster = await startNatsCluster()
  const connection = await connect({ servers: cluster.nodes.map(({ url }) => toHost(url)) })
  try {
    for (const num_replicas of [1, 3])
      for (const allow_rollup_hdrs of [false, true]) {
        const name = `R${num_replicas}${allow_rollup_hdrs}`
        const added = { name, subjects: [name], num_replicas, allow_rollup_hdrs }
        await eventually(async () => (await connection.jetstreamManager()).streams.add(added), { deadline: 30_000 })
        const stream = connection.jetstream()
        await stream.publish(name, 'one', { msgID: 'one' })
        expect(await ask(connection, name, 'one')).toMatchObject({ duplicate: true })
        const { error } = await ask(connection, name, 'two')
        expect(NEVER_STORED_CODES).toContain(error?.err_code)
        expect((await stream.publish(name, 'two', { timeout: 5_000 })).seq).toBe(2)
      }
  } finally {
    await connection.close()
  }
}, 60_000)
