/** Publishes to a bridge at full speed, and reconnects when it is closed: `flooder.ts <url> <token>`. */

import { constants, setPriority } from 'node:os'
import { connectLine } from '../conformance/edge-protocol/audit.ts'
import { RawClient } from '../conformance/edge-protocol/raw-client.ts'

// A real flooder has a separate machine. Here it gets the CPU time that the others leave.
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
