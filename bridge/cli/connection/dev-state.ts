/** The keys of `spanwire dev`: kept between its runs, so that a token which was pasted into a page stays valid. */
import { createHash, randomBytes } from 'node:crypto'
import { access, chmod, lstat, mkdir, readFile, writeFile } from 'node:fs/promises'
import { tmpdir, userInfo } from 'node:os'
import { dirname, join } from 'node:path'
import process from 'node:process'
import { type JWTPayload, SignJWT } from 'jose'
import { membersOf } from '../../../sdk/kit/kinds.ts'

/** Written by `spanwire dev` for its next run and for the other commands. */
export interface DevState {
  /** The URL of this folder's bridge, from its last start. */
  readonly url?: string
  readonly secret: string
  readonly adminKey: string
  readonly monitoringKey: string
}

/** In s: long enough that nothing expires while a page is being written. */
const TOKEN_LIFETIME = 30 * 86_400

/** The state of this folder; new keys where it has none. */
export async function readDevState(): Promise<DevState> {
  const found = await findDevState()
  if (found) return found
  const key = () => randomBytes(24).toString('hex')
  return { secret: randomBytes(32).toString('base64url'), adminKey: key(), monitoringKey: key() }
}

/** The state of this folder, if `spanwire dev` has run here. */
export async function findDevState(): Promise<DevState | undefined> {
  try {
    if (!(await isOwn(dirname(await stateFile())))) return undefined
    const { url, secret, adminKey, monitoringKey } = membersOf(JSON.parse(await readFile(await stateFile(), 'utf8')))
    if (typeof secret !== 'string' || typeof adminKey !== 'string' || typeof monitoringKey !== 'string')
      return undefined
    return { ...(typeof url === 'string' && { url }), secret, adminKey, monitoringKey }
  } catch {
    return undefined
  }
}

/** Readable by its owner only: it holds keys. */
export async function writeDevState(state: DevState): Promise<void> {
  const file = await stateFile()
  await mkdir(dirname(file), { recursive: true, mode: 0o700 })
  // Another user may have made the folder first, to read the keys: they are then not written.
  if (!(await isOwn(dirname(file)))) return
  await writeFile(file, JSON.stringify(state), { mode: 0o600 })
  await chmod(file, 0o600)
}

/** A token that permits everything, for the bridge of `spanwire dev`. */
export function devToken({ secret }: DevState, claims: JWTPayload = {}): Promise<string> {
  return new SignJWT({ ...claims, nats: { pub: { allow: ['>'] }, sub: { allow: ['>'] } } })
    .setProtectedHeader({ alg: 'HS256' })
    .setSubject('dev')
    .setIssuedAt()
    .setExpirationTime(Math.floor(Date.now() / 1000) + TOKEN_LIFETIME)
    .sign(new TextEncoder().encode(secret))
}

/** Whether a folder belongs to this user and to no link. */
async function isOwn(folder: string): Promise<boolean> {
  const stats = await lstat(folder)
  return stats.isDirectory() && (process.getuid === undefined || stats.uid === process.getuid())
}

/** Below the nearest `node_modules`, where no tool publishes it; else in the system's temporary folder. */
async function stateFile(): Promise<string> {
  const folder = process.cwd()
  for (let at = folder; ; at = dirname(at)) {
    const modules = join(at, 'node_modules')
    const isThere = await access(modules).then(
      () => true,
      () => false,
    )
    if (isThere) return join(modules, '.cache/spanwire/dev.json')
    if (at === dirname(at)) break
  }
  const name = createHash('sha256').update(folder).digest('hex').slice(0, 16)
  return join(tmpdir(), `spanwire-${userInfo().username}`, `${name}.json`)
}
