import { execFile } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import type { ForeignBroker } from '../../demo/setup/brokers/foreign-broker.ts'

const execute = promisify(execFile)

/**
 * Sets the memory limit of a running RabbitMQ, as `rabbitmqctl set_vm_memory_high_watermark` does. Debian's script needs an
 * installed package, and the tests unpack it. The Erlang node here has the environment of the broker's process (Linux).
 * @param limit a part of the memory from 0 to 1. 0 raises the alarm, which blocks publishers
 */
export async function setMemoryLimit({ pid }: ForeignBroker, limit: number): Promise<void> {
  const variables = (await readFile(`/proc/${pid}/environ`, 'utf8')).split('\0')
  const env = Object.fromEntries(variables.map((line) => [line.split('=', 1)[0], line.slice(line.indexOf('=') + 1)]))
  const call = `rpc:call('${env.RABBITMQ_NODENAME}', vm_memory_monitor, set_vm_memory_high_watermark, [${limit.toFixed(2)}])`
  await execute(
    join(env.BINDIR ?? '', 'erlexec'),
    [
      ...['-noinput', '-hidden', '-start_epmd', 'false', '-sname', `control${process.pid}@localhost`],
      ...['-kernel', 'inet_dist_use_interface', '{127,0,0,1}'],
      ...['-eval', `ok = ${call}, halt(0).`],
    ],
    { env, timeout: 30_000 },
  )
}
