import { execFile, spawn } from 'node:child_process'
import { mkdir, mkdtemp, rename, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { unpackPackage } from '../../demo/setup/apt-package.ts'
import { readAptSource } from '../../demo/setup/apt-source.ts'
import { cacheFolder } from '../../demo/setup/cache.ts'
import { freePort } from '../../demo/setup/free-port.ts'
import { until } from '../../demo/setup/until.ts'

const run = promisify(execFile)
const cached = join(cacheFolder, 'nginx/nginx')

export const nginxHint = 'Install nginx (Debian: apt-get install nginx; macOS: brew install nginx).'

/** Looks for nginx in PATH and the cache folder. Otherwise it downloads nginx into the cache. */
export async function findNginx(): Promise<{ path: string; version: string } | undefined> {
  for (const path of ['nginx', '/usr/sbin/nginx', cached]) {
    const version = await versionOf(path)
    if (version) return { path, version }
  }
  const source = await readAptSource()
  if (!source) return undefined
  await mkdir(cacheFolder, { recursive: true })
  const work = await mkdtemp(join(cacheFolder, 'fetch-'))
  try {
    const unpacked = join(await unpackPackage(source, source.suite, 'nginx', work), 'usr/sbin/nginx')
    const version = await versionOf(unpacked)
    if (!version) return undefined
    await mkdir(join(cached, '..'), { recursive: true })
    await rename(unpacked, cached)
    return { path: cached, version }
  } catch {
    return undefined
  } finally {
    await rm(work, { recursive: true, force: true })
  }
}

async function versionOf(path: string): Promise<string | undefined> {
  try {
    return /nginx\/(\S+)/.exec((await run(path, ['-v'])).stderr)?.[1]
  } catch {
    return undefined
  }
}

/** Starts nginx as a reverse proxy, configured as its documentation shows, with `location` blocks of the test. */
export async function startNginx(locations: string): Promise<{ url: string } & AsyncDisposable> {
  const found = await findNginx()
  if (!found) throw new Error(`These tests need nginx. ${nginxHint}`)
  const folder = await mkdtemp(join(tmpdir(), 'spanwire-nginx-'))
  const port = await freePort()
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map(
    (name) => `${name}_temp_path ${folder}/${name};`,
  )
  const config = `
    daemon off;
    master_process off;
    pid ${folder}/pid;
    error_log stderr;
    events {}
    http {
      access_log off;
      ${temporary.join('\n')}
      server {
        listen 127.0.0.1:${port};
        ${locations}
      }
    }`
  await writeFile(join(folder, 'nginx.conf'), config)
  const child = spawn(found.path, ['-p', folder, '-e', 'stderr', '-c', join(folder, 'nginx.conf')])
  let said = ''
  child.stderr.on('data', (chunk) => {
    said += chunk
  })
  const exited = new Promise((resolve) => child.once('exit', resolve))
  const stop = async () => {
    child.kill('SIGKILL')
    await exited
    await rm(folder, { recursive: true, force: true })
  }
  const url = `http://127.0.0.1:${port}`
  try {
    await until(async () => !!(await fetch(url)), 10_000, 'nginx')
  } catch {
    await stop()
    throw new Error(`nginx does not respond:\n${said}`)
  }
  return { url, [Symbol.asyncDispose]: stop }
}
