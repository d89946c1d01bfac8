import { readFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { type GeoPermissibleObjects, geoAlbersUsa, geoConicEqualArea, geoPath } from 'd3-geo'
import { feature, merge, mesh } from 'topojson-client'
import type { GeometryCollection, MultiPolygon, Polygon, Topology } from 'topojson-specification'
import type { Airport } from './recorded.ts'
import { type Point, simplifyLine } from './simplify.ts'

/** Size of the map in pixels, which is that of us-atlas's projected files. */
export const MAP_WIDTH = 975
export const MAP_HEIGHT = 610

/** The United States as two SVG paths. */
export interface UsMap {
  /** The land, without state borders. */
  readonly land: string
  /** The borders between states. */
  readonly borders: string
}

/** An airport and its position on the map. */
export interface MapAirport {
  readonly code: string
  readonly city: string
  readonly state: string
  readonly x: number
  readonly y: number
}

type States = Topology<{ states: GeometryCollection }>
type Area = Polygon | MultiPolygon

// The projection of us-atlas's `states-albers-10m.json`.
const mainland = geoAlbersUsa()
  .scale(1300)
  .translate([MAP_WIDTH / 2, MAP_HEIGHT / 2])

// Albers USA leaves out the Caribbean, which has flights. It gets an inset at the lower right, like Hawaii.
const caribbean = geoConicEqualArea()
  .parallels([8, 18])
  .rotate([65.9, 0])
  .center([0, 18.2])
  .scale(1300)
  .translate([922, 572])
const CARIBBEAN_STATES = ['72', '78']

/** In pixels. A smaller tolerance is invisible and triples the size of the page. */
const TOLERANCE = 0.7
const SMALLEST_ISLAND = 1.5

/** Projects, simplifies and draws the states of us-atlas (U.S. Census Bureau, 2017). */
export async function drawMap(): Promise<UsMap> {
  const projected = await readStates('states-albers-10m.json')
  projected.arcs = projected.arcs.map(
    (arc) => simplifyArc(projected, arc as unknown as Point[]) as unknown as number[][],
  )
  delete projected.transform
  const path = geoPath().digits(1)
  const { states } = projected.objects
  const land = withoutSpecks(merge(projected, states.geometries as Area[]))
  const borders = mesh(projected, states, (a, b) => a !== b)

  const islands = await readStates('states-10m.json')
  const inset = geoPath(caribbean).digits(1)
  const drawn = islands.objects.states.geometries
    .filter((state) => CARIBBEAN_STATES.includes(String(state.id)))
    .map((state) => inset(feature(islands, state) as GeoPermissibleObjects) ?? '')
  return { land: (path(land) ?? '') + drawn.join(''), borders: path(borders) ?? '' }
}

/** Places `airport` on the map. */
export function placeAirport({ code, city, state, longitude, latitude }: Airport): MapAirport {
  const place = mainland([longitude, latitude]) ?? caribbean([longitude, latitude])
  if (!place) throw new Error(`Airport ${code} is outside of the map.`)
  return { code, city, state, x: Math.round(place[0]), y: Math.round(place[1]) }
}

async function readStates(name: string): Promise<States> {
  return JSON.parse(await readFile(fileURLToPath(import.meta.resolve(`us-atlas/${name}`)), 'utf8')) as States
}

/** TopoJSON's arcs are differences of whole numbers (https://github.com/topojson/topojson-specification, 2.1.2). */
function simplifyArc(topology: States, arc: readonly Point[]): Point[] {
  const { scale, translate } = topology.transform ?? { scale: [1, 1], translate: [0, 0] }
  let x = 0
  let y = 0
  const points = arc.map(([dx, dy]): Point => {
    x += dx
    y += dy
    return [x * scale[0] + translate[0], y * scale[1] + translate[1]]
  })
  return simplifyLine(points, TOLERANCE)
}

function withoutSpecks(land: ReturnType<typeof merge>): ReturnType<typeof merge> {
  const coordinates = land.coordinates.filter(([ring = []]) => ringArea(ring) >= SMALLEST_ISLAND)
  return { ...land, coordinates }
}

function ringArea(ring: readonly number[][]): number {
  let sum = 0
  for (const [i, [x = 0, y = 0]] of ring.entries()) {
    const [nextX = 0, nextY = 0] = ring[(i + 1) % ring.length] ?? []
    sum += x * nextY - nextX * y
  }
  return Math.abs(sum) / 2
}
