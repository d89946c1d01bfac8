import { execFile } from 'node:child_process'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { freePort } from '../free-port.ts'
import { type ForeignBroker, startForeignBroker } from './foreign-broker.ts'
import { fetchJars, findJava, type Jars } from './java.ts'

const run = promisify(execFile)

/** Apache Kafka. */
export const KAFKA_JARS: Jars = { name: 'kafka', version: '4.3.1', artifacts: ['org.apache.kafka:kafka_2.13'] }

/** Starts one node of Apache Kafka in KRaft mode. Undefined where Java or Maven Central is unavailable. */
export async function startKafka(): Promise<ForeignBroker | undefined> {
  const java = await findJava()
  const jars = java && (await fetchJars(KAFKA_JARS))
  if (!java || !jars) return undefined
  return startForeignBroker(async (folder) => {
    const [port, controller] = [await freePort(), await freePort()]
    const config = join(folder, 'server.properties')
    await writeFile(config, toProperties({ port, controller, data: join(folder, 'data') }))
    // A small heap, and quick to start: this node serves tests and demos.
    const flags = ['-Xmx384m', '-XX:+UseSerialGC', '-XX:TieredStopAtLevel=1', '-cp', `${jars}/*`]
    const clusterId = 'c3BhbndpcmUtcmVsYXlzMQ'
    await run(java, [...flags, 'kafka.tools.StorageTool', 'format', '-t', clusterId, '-c', config])
    return {
      kind: 'kafka',
      version: KAFKA_JARS.version,
      url: `127.0.0.1:${port}`,
      command: java,
      args: [...flags, 'kafka.Kafka', config],
      readyPort: port,
    }
  })
}

function toProperties({ port, controller, data }: { port: number; controller: number; data: string }): string {
  return Object.entries({
    'process.roles': 'broker,controller',
    'node.id': 1,
    'controller.quorum.voters': `1@127.0.0.1:${controller}`,
    listeners: `PLAINTEXT://127.0.0.1:${port},CONTROLLER://127.0.0.1:${controller}`,
    'advertised.listeners': `PLAINTEXT://127.0.0.1:${port}`,
    'controller.listener.names': 'CONTROLLER',
    'listener.security.protocol.map': 'CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT',
    'log.dirs': data,
    'offsets.topic.replication.factor': 1,
    'offsets.topic.num.partitions': 3,
    'transaction.state.log.replication.factor': 1,
    'transaction.state.log.min.isr': 1,
    'transaction.state.log.num.partitions': 3,
    'share.coordinator.state.topic.replication.factor': 1,
    'group.initial.rebalance.delay.ms': 0,
    'group.min.session.timeout.ms': 1_000,
    // After a SIGKILL the controller refuses the broker's registration until this time has passed.
    'broker.session.timeout.ms': 2_000,
    'broker.heartbeat.interval.ms': 500,
    'auto.create.topics.enable': false,
    'num.partitions': 3,
    // Larger than the limit of NATS, so that messages over that limit fit here.
    'message.max.bytes': 8_388_608,
  })
    .map(([name, value]) => `${name}=${value}`)
    .join('\n')
}
