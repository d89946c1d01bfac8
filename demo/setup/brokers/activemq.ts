import { readdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { freePort } from '../free-port.ts'
import { unpackWithDependencies } from './debian-packages.ts'
import { accepts, type ForeignBroker, startForeignBroker } from './foreign-broker.ts'
import { findJava } from './java.ts'

/** Options of {@link startActiveMq}. */
export interface ActiveMqOptions {
  /** More elements of `<broker>` in its configuration. */
  readonly config?: string
}

/**
 * Starts ActiveMQ Classic with STOMP from Debian's package, which is unpacked into the cache folder. Undefined where apt or
 * Java is unavailable.
 */
export async function startActiveMq({ config = '' }: ActiveMqOptions = {}): Promise<ForeignBroker | undefined> {
  const java = await findJava()
  const root = java && (await unpackWithDependencies('activemq'))
  if (!java || !root) return undefined
  const jars = join(root, 'usr/share/java')
  const versioned = (await readdir(jars)).map((name) => /^activemq-broker-(\d[\d.]*\d)/.exec(name)?.[1])
  return startForeignBroker(async (folder) => {
    const [stompPort, port] = await Promise.all([freePort(), freePort()])
    const file = join(folder, 'activemq.xml')
    await writeFile(file, toXml({ stompPort, port, folder, config }))
    return {
      kind: 'activemq',
      version: versioned.find((one) => one !== undefined) ?? 'unknown',
      url: `stomp://127.0.0.1:${stompPort}`,
      stompPort,
      command: java,
      args: [
        ...['-Xmx256m', '-XX:+UseSerialGC', '-XX:TieredStopAtLevel=1'],
        `-Dactivemq.home=${folder}`,
        `-Dactivemq.base=${folder}`,
        `-Dactivemq.data=${join(folder, 'data')}`,
        // A package that the system has already is not unpacked.
        ...['-cp', `${jars}/*:/usr/share/java/*`],
        ...['org.apache.activemq.console.Main', 'start', `xbean:file:${file}`],
      ],
      readyPort: stompPort,
      isReady: () => accepts(port),
    }
  })
}

function toXml({
  stompPort,
  port,
  folder,
  config,
}: {
  stompPort: number
  port: number
  folder: string
  config: string
}) {
  return `<beans xmlns="http://www.springframework.org/schema/beans" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"
  xsi:schemaLocation="http://www.springframework.org/schema/beans http://www.springframework.org/schema/beans/spring-beans.xsd
  http://activemq.apache.org/schema/core http://activemq.apache.org/schema/core/activemq-core.xsd">
  <broker xmlns="http://activemq.apache.org/schema/core" brokerName="spanwire" dataDirectory="${join(folder, 'data')}"
    useJmx="false" schedulerSupport="true">
    <persistenceAdapter><kahaDB directory="${join(folder, 'kahadb')}"/></persistenceAdapter>
    ${config}
    <transportConnectors>
      <transportConnector name="stomp" uri="stomp://127.0.0.1:${stompPort}"/>
      <transportConnector name="openwire" uri="tcp://127.0.0.1:${port}"/>
    </transportConnectors>
  </broker>
</beans>
`
}
