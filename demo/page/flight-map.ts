import type { MapAirport } from '../data/us-map.ts'
import { airports } from './airports.ts'
import { type Arc, arcBetween } from './arc.ts'
import { element } from './element.ts'
import { EVERYTHING, type Filter } from './filter.ts'
import { drawAirports, drawFlight, drawLanding, drawRoutes, type Ink } from './map-ink.ts'
import { isDark } from './theme.ts'

/** A flight on the map. */
export interface Flight {
  readonly arc: Arc
  readonly late: boolean
  /** Time of departure, as `performance.now()`. */
  readonly start: number
  /** Duration of its animation, in ms. */
  readonly duration: number
}

/** A flight of an event. */
export interface DepartingFlight {
  readonly origin: string
  readonly destination: string
  readonly late: boolean
  /** Time since its departure, in ms. */
  readonly age: number
}

const LANDING = 900
/** Age of the oldest routes that are drawn, in ms. Routes of rare flights would have faded. */
const OLDEST = 20_000
/** Number of routes that stay visible, faintly, after their flight. */
const ROUTES = 420
const ROUTES_INTERVAL = 500
const MAP_WIDTH = 975

/** Draws flights over the map while there are flights and the page is visible. */
export class FlightMap {
  readonly #canvas = element<HTMLCanvasElement>('flights')
  readonly #context: CanvasRenderingContext2D
  readonly #routesCanvas = document.createElement('canvas')
  readonly #routesContext: CanvasRenderingContext2D
  readonly #still = matchMedia('(prefers-reduced-motion: reduce)')
  #flights: Flight[] = []
  #routes: Flight[] = []
  #filter: Filter = EVERYTHING
  #hovered: string | undefined
  #ink: Ink | undefined
  #frame = 0
  #timer: ReturnType<typeof setTimeout> | undefined
  #routesDrawn = 0
  #scale = 1

  constructor() {
    const context = this.#canvas.getContext('2d')
    const routesContext = this.#routesCanvas.getContext('2d')
    if (!context || !routesContext) throw new Error('This browser has no 2D canvas.')
    this.#context = context
    this.#routesContext = routesContext
    new ResizeObserver(() => this.#resize()).observe(this.#canvas)
    this.#still.addEventListener('change', () => this.#wake())
  }

  /** Adds a departing flight. One that departed earlier is in the air, or only its route is visible. */
  depart({ origin, destination, late, age }: DepartingFlight): void {
    const from = airports.get(origin)
    const to = airports.get(destination)
    // A hidden page gets no frames. All of its flights would depart together when it becomes visible.
    if (!from || !to || (document.hidden && age === 0)) return
    const arc = arcBetween(from, to)
    const start = performance.now() - Math.min(age, OLDEST)
    const flight = { arc, late, start, duration: 2_200 + arc.length * 6 }
    this.#flights.push(flight)
    this.#routes.push(flight)
    if (this.#routes.length > ROUTES) this.#routes.splice(0, this.#routes.length - ROUTES)
    this.#goOn()
  }

  /** Removes the flights of the previous filter. */
  filtered(filter: Filter): void {
    this.#filter = filter
    this.#flights = []
    this.#routes = []
    this.#refresh()
  }

  /** Highlights an airport. */
  hover(code: string | undefined): void {
    if (code === this.#hovered) return
    this.#hovered = code
    this.#refresh()
  }

  /** Reads the colours again after a change of the theme. */
  recolour(): void {
    this.#ink = undefined
    this.#refresh()
  }

  /** Returns the airport near a point, in CSS pixels from the map's corner. */
  airportAt(x: number, y: number): MapAirport | undefined {
    const scale = this.#canvas.clientWidth / MAP_WIDTH
    let nearest: MapAirport | undefined
    let distance = Math.max(14, 10 / scale)
    for (const airport of airports.values()) {
      const away = Math.hypot(airport.x - x / scale, airport.y - y / scale)
      if (away < distance) {
        distance = away
        nearest = airport
      }
    }
    return nearest
  }

  #resize(): void {
    const density = Math.min(devicePixelRatio, 2)
    for (const canvas of [this.#canvas, this.#routesCanvas]) {
      canvas.width = Math.round(this.#canvas.clientWidth * density)
      canvas.height = Math.round(this.#canvas.clientHeight * density)
    }
    this.#scale = this.#canvas.width / MAP_WIDTH
    this.#refresh()
  }

  #refresh(): void {
    this.#routesDrawn = 0
    this.#wake()
  }

  #wake(): void {
    if (this.#frame === 0) this.#frame = requestAnimationFrame((now) => this.#draw(now))
  }

  #draw(now: number): void {
    this.#frame = 0
    this.#ink ??= readInk(this.#canvas)
    const ink = { ...this.#ink, unit: this.#canvas.clientWidth / MAP_WIDTH }
    this.#flights = this.#flights.filter((flight) => now < flight.start + flight.duration + LANDING)
    if (now - this.#routesDrawn > ROUTES_INTERVAL) {
      this.#routesDrawn = now
      this.#clear(this.#routesContext)
      drawRoutes(this.#routesContext, ink, this.#routes, now)
      drawAirports(this.#routesContext, ink, this.#filter, this.#hovered)
    }
    this.#clear(this.#context)
    this.#context.setTransform(1, 0, 0, 1, 0, 0)
    this.#context.drawImage(this.#routesCanvas, 0, 0)
    this.#context.setTransform(this.#scale, 0, 0, this.#scale, 0, 0)
    for (const flight of this.#flights) {
      // The time of a frame is that of its beginning. A flight that arrived since then departs after it.
      const t = Math.max(0, now - flight.start) / flight.duration
      if (t >= 1) drawLanding(this.#context, ink, flight, (now - flight.start - flight.duration) / LANDING)
      else drawFlight(this.#context, ink, flight, t, this.#still.matches)
    }
    if (this.#flights.length === 0 && this.#routes.length === 0) return
    this.#goOn()
  }

  /** With reduced motion the picture is drawn every `ROUTES_INTERVAL` ms, and flights do not move. */
  #goOn(): void {
    if (!this.#still.matches) this.#wake()
    else if (this.#timer === undefined) {
      this.#timer = setTimeout(() => {
        this.#timer = undefined
        this.#wake()
      }, ROUTES_INTERVAL)
    }
  }

  #clear(context: CanvasRenderingContext2D): void {
    context.setTransform(1, 0, 0, 1, 0, 0)
    context.clearRect(0, 0, this.#canvas.width, this.#canvas.height)
    context.setTransform(this.#scale, 0, 0, this.#scale, 0, 0)
  }
}

/** Reads the colours from the stylesheet. The legend shows two of them. */
function readInk(canvas: HTMLCanvasElement): Ink {
  const page = getComputedStyle(document.body)
  return {
    onTime: getComputedStyle(element('on-time')).backgroundColor,
    late: getComputedStyle(element('late')).backgroundColor,
    text: page.color,
    paper: getComputedStyle(canvas.closest('.card') ?? document.body).backgroundColor,
    font: page.fontFamily,
    glow: isDark(),
    unit: 1,
  }
}
