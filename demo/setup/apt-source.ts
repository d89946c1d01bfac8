import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'

/** The package source of this machine, for downloads that leave the system's package lists unchanged. */
export interface AptSource {
  /** Release name of this machine. */
  readonly suite: string
  /** Release names with newer versions. */
  readonly newestSuite: string
  /** Options that make apt-get use only `suite` and keep all of its files in `folder`. */
  optionsFor(suite: string, folder: string): Promise<string[]>
}

/** Returns undefined on systems without apt. */
export async function readAptSource(): Promise<AptSource | undefined> {
  const release = await readFile('/etc/os-release', 'utf8').catch(() => '')
  const id = /^ID=(\w+)/m.exec(release)?.[1]
  const suite = /^VERSION_CODENAME=(\w+)/m.exec(release)?.[1]
  const mirror = await readMirror()
  if (!suite || !mirror || (id !== 'debian' && id !== 'ubuntu')) return undefined
  const components = id === 'debian' ? 'main' : 'main universe'
  return {
    suite,
    newestSuite: id === 'debian' ? 'sid' : 'devel',
    async optionsFor(wanted, folder) {
      const [list, lists, cache] = [join(folder, 'sources.list'), join(folder, 'lists'), join(folder, 'cache')]
      await mkdir(join(lists, 'partial'), { recursive: true })
      await mkdir(join(cache, 'archives/partial'), { recursive: true })
      const signedBy = mirror.signedBy ? `[signed-by=${mirror.signedBy}] ` : ''
      await writeFile(list, `deb ${signedBy}${mirror.uri} ${wanted} ${components}\n`)
      const places = {
        'Dir::Etc::sourcelist': list,
        'Dir::Etc::sourceparts': '-',
        'Dir::State::lists': lists,
        'Dir::Cache': cache,
        'Dir::State::status': '/var/lib/dpkg/status',
        // As root, apt downloads as another user that cannot write here.
        'APT::Sandbox::User': process.getuid?.() === 0 ? 'root' : '',
      }
      return ['-qq', ...Object.entries(places).flatMap(([name, value]) => ['-o', `${name}=${value}`])]
    },
  }
}

/** The first archive of the machine that is not for security updates only. Reads both formats of apt. */
async function readMirror(): Promise<{ uri: string; signedBy?: string } | undefined> {
  const folder = '/etc/apt/sources.list.d'
  const parts = (await readdir(folder).catch(() => [])).map((name) => join(folder, name))
  for (const path of ['/etc/apt/sources.list', ...parts]) {
    const text = await readFile(path, 'utf8').catch(() => '')
    const stanzas = path.endsWith('.sources') ? text.split(/\n\s*\n/) : text.split('\n')
    for (const stanza of stanzas) {
      const uri = path.endsWith('.sources')
        ? /^URIs:\s*(\S+)/m.exec(stanza)?.[1]
        : /^deb\s+(?:\[[^\]]*\]\s+)?(\S+)/.exec(stanza)?.[1]
      const signedBy = /[Ss]igned-[Bb]y[:=]\s*(\/[^\s\],]+)/.exec(stanza)?.[1]
      if (uri && !/security/.test(stanza)) return signedBy ? { uri, signedBy } : { uri }
    }
  }
  return undefined
}
