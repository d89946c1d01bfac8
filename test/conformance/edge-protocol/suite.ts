import { randomBytes } from 'node:crypto'
import { afterAll, beforeAll, describe, it } from 'vitest'
import { type AuditContext, type AuditTarget, connectLine } from './audit.ts'
import { audits } from './audits/index.ts'
import { RawClient } from './raw-client.ts'

/**
 * Checks an endpoint against bridge/PROTOCOL.md. Test names begin with the ids of the rules.
 * @param makeTarget starts the endpoint. Its `close` is called at the end.
 */
export function auditEndpoint(name: string, makeTarget: () => Promise<AuditTarget>): void {
  describe(`edge protocol: ${name}`, () => {
    let target: AuditTarget
    beforeAll(async () => {
      target = await makeTarget()
    }, 60_000)
    afterAll(() => target?.close())

    for (const audit of audits) {
      it(`${audit.rules.join(' ')} ${audit.title}`, { timeout: 30_000 }, async ({ skip }) => {
        if (audit.bridgeOnly && !target.isBridge) skip('not applicable: the rule is for bridges only')
        const obstacle = audit.needs?.(target)
        if (obstacle) skip(`not applicable: ${obstacle}`)
        const clients: RawClient[] = []
        try {
          await audit.run(contextOf(target, clients))
        } finally {
          for (const client of clients) client.terminate()
        }
      })
    }
  })
}

function contextOf(target: AuditTarget, clients: RawClient[]): AuditContext {
  const open = async (url: string) => {
    const client = await RawClient.open(url)
    clients.push(client)
    await client.info()
    return client
  }
  const connect = async (url: string, line: string) => {
    const client = await open(url)
    const answer = await client.exchange(line)
    if (answer.ending) throw new Error(`CONNECT was rejected: ${JSON.stringify(answer)}`)
    return client
  }
  return {
    target,
    token: `t${randomBytes(6).toString('hex')}`,
    open: () => open(target.url),
    connect: (flags = {}, credentials = target.credentials.full) =>
      connect(target.url, connectLine(flags, credentials)),
    checked: (flags = {}) => connect(target.contract?.url ?? '', connectLine(flags, target.credentials.full)),
    elsewhere: () =>
      target.broker
        ? connect(target.broker.url, connectLine({}, target.broker.credentials))
        : connect(target.url, connectLine({}, target.credentials.full)),
  }
}
