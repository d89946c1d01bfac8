import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { freePort } from '../free-port.ts'
import { type ForeignBroker, startForeignBroker } from './foreign-broker.ts'
import { fetchJars, findJava, type Jars } from './java.ts'

/** ActiveMQ Artemis with STOMP. */
export const ARTEMIS_JARS: Jars = {
  name: 'artemis',
  version: '2.40.0',
  artifacts: ['org.apache.activemq:artemis-cli', 'org.apache.activemq:artemis-stomp-protocol'],
}

/** Starts ActiveMQ Artemis with STOMP. Undefined where Java or Maven Central is unavailable. */
export async function startArtemis(): Promise<ForeignBroker | undefined> {
  const java = await findJava()
  const jars = java && (await fetchJars(ARTEMIS_JARS))
  if (!java || !jars) return undefined
  return startForeignBroker(async (folder) => {
    const stompPort = await freePort()
    const etc = join(folder, 'etc')
    await mkdir(etc)
    await writeFile(join(etc, 'broker.xml'), toXml(stompPort, folder))
    // Without it Artemis refuses to start.
    await writeFile(
      join(etc, 'management.xml'),
      '<management-context xmlns="http://activemq.apache.org/schema"></management-context>',
    )
    const bootstrap = join(etc, 'bootstrap.xml')
    await writeFile(
      bootstrap,
      `<broker xmlns="http://activemq.apache.org/schema"><jaas-security domain="spanwire"/>
<server configuration="file:${join(etc, 'broker.xml')}"/></broker>`,
    )
    return {
      kind: 'artemis',
      version: ARTEMIS_JARS.version,
      url: `stomp://127.0.0.1:${stompPort}`,
      stompPort,
      command: java,
      args: [
        ...['-Xmx384m', '-XX:+UseSerialGC', '-XX:TieredStopAtLevel=1'],
        ...[`-Dartemis.home=${folder}`, `-Dartemis.instance=${folder}`, `-Dartemis.instance.etc=${etc}`],
        ...['-cp', `${jars}/*`, 'org.apache.activemq.artemis.cli.Artemis', 'run', `xml:${bootstrap}`],
      ],
      readyPort: stompPort,
    }
  })
}

function toXml(stompPort: number, folder: string): string {
  const at = (name: string) => join(folder, 'data', name)
  return `<configuration xmlns="urn:activemq"><core xmlns="urn:activemq:core">
  <name>spanwire</name><persistence-enabled>true</persistence-enabled><journal-type>NIO</journal-type>
  <security-enabled>false</security-enabled>
  <paging-directory>${at('paging')}</paging-directory><bindings-directory>${at('bindings')}</bindings-directory>
  <journal-directory>${at('journal')}</journal-directory><large-messages-directory>${at('large')}</large-messages-directory>
  <journal-file-size>1M</journal-file-size><global-max-size>100M</global-max-size>
  <acceptors><acceptor name="stomp">tcp://127.0.0.1:${stompPort}?protocols=STOMP;useEpoll=false</acceptor></acceptors>
  <address-settings><address-setting match="#">
    <default-address-routing-type>ANYCAST</default-address-routing-type><default-queue-routing-type>ANYCAST</default-queue-routing-type>
    <auto-create-queues>true</auto-create-queues><auto-create-addresses>true</auto-create-addresses>
    <auto-delete-queues>false</auto-delete-queues><auto-delete-addresses>false</auto-delete-addresses>
  </address-setting></address-settings>
</core></configuration>
`
}
