import { ARTEMIS_JARS } from './artemis.ts'
import { unpackWithDependencies } from './debian-packages.ts'
import type { BrokerKind } from './foreign-broker.ts'
import { fetchJars, findJava } from './java.ts'
import { KAFKA_JARS } from './kafka.ts'

/** A kind of broker, and whether this machine can run it. */
export interface FoundBroker {
  readonly kind: BrokerKind
  /** Undefined if it cannot. */
  readonly version: string | undefined
  readonly hint: string
}

const DEBIAN = 'It comes from Debian by apt-get, and is unpacked into .cache/.'
const MAVEN = 'It comes from Maven Central by mvn into .cache/, and needs Java 17 or later.'

/** Fetches the programs of all brokers into the cache folder, one after the other. Set-up only. */
export async function findBrokers(): Promise<FoundBroker[]> {
  const rabbitmq = await unpackWithDependencies('rabbitmq-server')
  const java = await findJava()
  const activemq = java && (await unpackWithDependencies('activemq'))
  const kafka = java && (await fetchJars(KAFKA_JARS))
  const artemis = java && (await fetchJars(ARTEMIS_JARS))
  return [
    { kind: 'rabbitmq', version: rabbitmq && "Debian's, unpacked", hint: DEBIAN },
    { kind: 'activemq', version: activemq && "Debian's, unpacked", hint: `${DEBIAN} It needs Java 17 or later.` },
    { kind: 'kafka', version: kafka && KAFKA_JARS.version, hint: MAVEN },
    { kind: 'artemis', version: artemis && ARTEMIS_JARS.version, hint: MAVEN },
  ]
}
