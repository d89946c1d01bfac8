import { SpanwireError } from '../sdk/wire/errors.ts'
import type { LocationHint, RequestOrigin } from './runtime.ts'

/** Numbers of hubs by region. Without a region, Cloudflare chooses the location. */
export type HubPlan = ReadonlyArray<{ readonly hubs: number; readonly region?: LocationHint }>

/** The name of a hub's Durable Object, and where Cloudflare should create it. */
export interface HubLocation {
  readonly name: string
  readonly region?: LocationHint
}

/** Guards against a typing error: each hub with clients stays in memory, which is billed. */
const MAX_HUBS = 256

/** Approximate centre of each region: latitude and longitude, in degrees. */
const regions: Record<LocationHint, readonly [number, number]> = {
  wnam: [38, -119],
  enam: [40, -78],
  sam: [-23, -47],
  weur: [50, 4],
  eeur: [51, 21],
  apac: [20, 112],
  oc: [-34, 149],
  afr: [-20, 28],
  me: [26, 51],
}

/** Centre of population of each continent, for requests without coordinates. */
const continents: Record<string, readonly [number, number]> = {
  AF: [0, 25],
  AS: [25, 100],
  EU: [50, 10],
  NA: [39, -90],
  OC: [-33, 149],
  SA: [-20, -50],
}

/**
 * Parses `HUBS`. `3` is three hubs, which Cloudflare creates near their first client. `enam=2 weur=1` is two hubs for
 * clients near eastern North America and one for clients near western Europe.
 * @throws SpanwireError `invalid-argument`
 */
export function parseHubs(text = '1'): HubPlan {
  const parts = text.split(/[\s,]+/).filter((part) => part !== '')
  const plan = parts.map((part) => {
    const [, region, digits] = /^(?:([a-z]+)=)?(\d{1,4})$/.exec(part) ?? []
    const hubs = Number(digits)
    if (!(hubs >= 1) || (region !== undefined && !Object.hasOwn(regions, region))) throw malformed(part)
    return region === undefined ? { hubs } : { hubs, region: region as LocationHint }
  })
  const regionsUsed = new Set(plan.map(({ region }) => region))
  if (plan.length === 0 || regionsUsed.size < plan.length || (plan.length > 1 && regionsUsed.has(undefined)))
    throw malformed(text)
  if (hubCount(plan) > MAX_HUBS) throw malformed(text)
  return plan
}

/** Number of hubs in all regions. */
export function hubCount(plan: HubPlan): number {
  return plan.reduce((sum, { hubs }) => sum + hubs, 0)
}

/**
 * All hubs in order of preference for a client: the nearest region first, in a stable order for each `key`. A hub that is
 * added to a region takes over only its own share of the clients.
 */
export function rankHubs(plan: HubPlan, key: string, origin: RequestOrigin | undefined): readonly HubLocation[] {
  return byDistance(plan, origin).flatMap(({ hubs, region }) =>
    Array.from({ length: hubs }, (_, index) => {
      const name = `${region ?? 'hub'}-${index + 1}`
      // Rendezvous hashing: the hub with the highest score for a key comes first.
      return { score: hash(`${name} ${key}`), location: region === undefined ? { name } : { name, region } }
    })
      .sort((a, b) => b.score - a.score)
      .map(({ location }) => location),
  )
}

/** The key of a client's IP address. An IPv6 client changes its address within its /64, so the key is that network. */
export function addressKey(address: string): string {
  if (!address.includes(':')) return address
  const [head = '', tail] = address.split('::')
  const before = head === '' ? [] : head.split(':')
  const after = tail ? tail.split(':') : []
  const zeros = tail === undefined ? [] : Array<string>(Math.max(0, 8 - before.length - after.length)).fill('0')
  return [...before, ...zeros, ...after]
    .slice(0, 4)
    .map((group) => Number.parseInt(group, 16).toString(16))
    .join(':')
}

function byDistance(plan: HubPlan, origin: RequestOrigin | undefined): HubPlan {
  const from = coordinates(origin)
  if (!from) return plan
  const distanceTo = ({ region }: HubPlan[number]) => (region ? angle(from, regions[region]) : 0)
  return plan.toSorted((a, b) => distanceTo(a) - distanceTo(b))
}

function coordinates(origin: RequestOrigin | undefined): readonly [number, number] | undefined {
  const latitude = Number.parseFloat(origin?.latitude ?? '')
  const longitude = Number.parseFloat(origin?.longitude ?? '')
  if (Number.isFinite(latitude) && Number.isFinite(longitude)) return [latitude, longitude]
  return continents[origin?.continent ?? '']
}

/** Angle between two points on the globe, in radians. */
function angle([latitudeA, longitudeA]: readonly [number, number], [latitudeB, longitudeB]: readonly [number, number]) {
  const radians = (degrees: number) => (degrees * Math.PI) / 180
  const cosine =
    Math.sin(radians(latitudeA)) * Math.sin(radians(latitudeB)) +
    Math.cos(radians(latitudeA)) * Math.cos(radians(latitudeB)) * Math.cos(radians(longitudeA - longitudeB))
  return Math.acos(Math.min(1, Math.max(-1, cosine)))
}

/** FNV-1a, 32 bits. The final mix makes scores of names that differ in the last character independent. */
function hash(text: string): number {
  let state = 0x811c9dc5
  for (const byte of new TextEncoder().encode(text)) state = Math.imul(state ^ byte, 0x01000193)
  state = Math.imul(state ^ (state >>> 16), 0x85ebca6b)
  state = Math.imul(state ^ (state >>> 13), 0xc2b2ae35)
  return (state ^ (state >>> 16)) >>> 0
}

function malformed(text: string): SpanwireError {
  return new SpanwireError(
    'invalid-argument',
    `This bridge is not configured. HUBS is ${JSON.stringify(text)}. Use a number of hubs, or numbers by region such as "enam=2 weur=1" (regions: ${Object.keys(regions).join(', ')}; at most ${MAX_HUBS} hubs).`,
  )
}
