import { SpanwireError } from '../sdk/wire/errors.ts'
import type { LocationHint, RequestOrigin } from './runtime.ts'

/** How many hubs there are, and where. */
export type HubPlan = ReadonlyArray<{ readonly hubs: number; readonly region?: LocationHint }>

/** One hub: the name of its Durable Object, and where Cloudflare should create it. */
export interface HubPlace {
  readonly name: string
  readonly region?: LocationHint
}

/** Far more than anybody needs, and each one that has clients is awake all the time: a slip of the pen is expensive. */
const MAX_HUBS = 256

/** Latitude and longitude of about the middle of the data centres that a hint stands for, in degrees. */
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

/** Where people live on a continent; for requests whose coordinates Cloudflare doesn't know. */
const continents: Record<string, readonly [number, number]> = {
  AF: [0, 25],
  AS: [25, 100],
  EU: [50, 10],
  NA: [39, -90],
  OC: [-33, 149],
  SA: [-20, -50],
}

/**
 * Reads `HUBS`: `3` means three hubs, wherever Cloudflare creates them (near the first client); `enam=2 weur=1` means
 * two hubs for clients nearer to eastern North America and one for those nearer to western Europe.
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
  const places = new Set(plan.map(({ region }) => region))
  if (plan.length === 0 || places.size < plan.length || (plan.length > 1 && places.has(undefined)))
    throw malformed(text)
  if (hubCount(plan) > MAX_HUBS) throw malformed(text)
  return plan
}

export function hubCount(plan: HubPlan): number {
  return plan.reduce((sum, { hubs }) => sum + hubs, 0)
}

/**
 * The hubs that a client may come to, best first: in the region nearest to it, always the same for the same `key`. Another
 * hub in a region takes over only its own share of the clients; all others stay where they are.
 */
export function placesOf(plan: HubPlan, key: string, origin: RequestOrigin | undefined): readonly HubPlace[] {
  return byDistance(plan, origin).flatMap(({ hubs, region }) =>
    Array.from({ length: hubs }, (_, index) => {
      const name = `${region ?? 'hub'}-${index + 1}`
      // Rendezvous hashing: each hub bids for each client, and the highest bid has it.
      return { score: hash(`${name} ${key}`), place: region === undefined ? { name } : { name, region } }
    })
      .sort((a, b) => b.score - a.score)
      .map(({ place }) => place),
  )
}

/** What tells clients apart by their address. An IPv6 client has a /64 to itself and changes addresses within it. */
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

/** FNV-1a, 32 bits, with a final mix so that names that differ in their last character bid independently. */
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
    `This bridge is not configured. HUBS can't be ${JSON.stringify(text)}: give a number of hubs, or numbers by region such as "enam=2 weur=1" (regions: ${Object.keys(regions).join(', ')}; at most ${MAX_HUBS} hubs).`,
  )
}
