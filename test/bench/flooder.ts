/** Publishes at a bridge as fast as its socket takes it, and comes back whenever it is thrown out: `<url> <token>`. */

import { constants, setPriority } from 'node:os'
import { connectLine } from '../conformance/edge-protocol/audit.ts'
import { RawClient } from '../conformance/edge-protocol/raw-client.ts'

// Whoever floods has a machine of their own; here it is what the others leave of one.
setPriority(constants.priority.PRIORITY_LOW)
const [, , url = '', token = ''] = process.argv
const chunk = Buffer.from('PUB flood 64\r\n'.padEnd(78, 'x').concat('\r\n').repeat(200))
for (let count = 0; ; count++) {
  const client = await RawClient.open(url)
  client.send(connectLine({}, { auth_token: token }))
  if (count === 0) console.log('flooding')
  while (!client.ending) {
    client.send(chunk)
    await new Promise((resolve) => setTimeout(resolve, 1))
  }
  client.terminate()
}
