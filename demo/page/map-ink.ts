import { airports } from './airports.ts'
import { arcHeading, arcX, arcY } from './arc.ts'
import type { Filter } from './filter.ts'
import type { Flight } from './flight-map.ts'

/** Colours of the map. */
export interface Ink {
  readonly onTime: string
  readonly late: string
  readonly text: string
  readonly paper: string
  readonly font: string
  /** Whether lights glow. On a light background they look like smudges. */
  readonly glow: boolean
  /** CSS pixels in one pixel of the map. Sizes that must stay readable on a phone are divided by it. */
  readonly unit: number
}

type Context = CanvasRenderingContext2D

/** Airports with a visible code. Small maps leave out the last ones. */
const LANDMARKS = 'ORD DFW LAX ATL DEN SEA JFK MIA PHX MSP SFO IAH DTW STL BOS SLC ANC HNL SJU LAS MCO CLT'.split(' ')
const ROUTE_FADE = 45_000
const MANY_ROUTES = 120
const TRAIL = 0.42
const TRAIL_STEPS = 14
const GLOW = 11
const glows = new Map<string, HTMLCanvasElement>()

/** Routes of earlier flights, fainter with age. The fewer there are, the stronger they are and the longer they stay. */
export function drawRoutes(context: Context, ink: Ink, routes: readonly Flight[], now: number): void {
  const room = Math.max(0, 1 - routes.length / MANY_ROUTES)
  context.lineWidth = 0.9
  for (const flight of routes) {
    const age = (now - flight.start) / (ROUTE_FADE * (1 + 3 * room))
    if (age >= 1) continue
    context.globalAlpha = (0.2 + 0.4 * room) * (1 - age)
    context.strokeStyle = flight.late ? ink.late : ink.onTime
    context.beginPath()
    context.moveTo(flight.arc.fromX, flight.arc.fromY)
    context.quadraticCurveTo(flight.arc.bendX, flight.arc.bendY, flight.arc.toX, flight.arc.toY)
    context.stroke()
  }
  context.globalAlpha = 1
}

/** All airports. The airports of the filter and under the pointer are highlighted. */
export function drawAirports(context: Context, ink: Ink, filter: Filter, hovered: string | undefined): void {
  const grow = 1 / Math.max(ink.unit, 0.55)
  const chosen = new Set([filter.origin, filter.destination, hovered])
  context.fillStyle = ink.text
  context.globalAlpha = 0.5
  for (const { x, y } of airports.values()) dot(context, x, y, 1.25 * grow)
  context.globalAlpha = 1
  context.textBaseline = 'middle'
  const labels = ink.unit < 0.55 ? LANDMARKS.slice(0, 8) : LANDMARKS
  for (const code of new Set([...labels, ...chosen])) {
    const airport = airports.get(code ?? '')
    if (!airport) continue
    const strong = chosen.has(airport.code)
    const size = (strong ? 13 : 10.5) / ink.unit
    if (strong) ring(context, airport.x, airport.y, 6 * grow, ink.onTime, 2 * grow)
    context.font = `${strong ? 700 : 600} ${size}px ${ink.font}`
    context.textAlign = airport.x > 900 ? 'right' : 'left'
    const x = airport.x + (airport.x > 900 ? -1 : 1) * (strong ? 9 : 4.5) * grow
    context.lineWidth = 3 * grow
    context.lineJoin = 'round'
    context.strokeStyle = ink.paper
    context.globalAlpha = strong ? 0.9 : 0.55
    context.strokeText(airport.code, x, airport.y)
    context.fillStyle = ink.text
    context.globalAlpha = strong ? 1 : 0.72
    context.fillText(airport.code, x, airport.y)
  }
  context.globalAlpha = 1
}

/** A flight in the air. With `still`, for reduced motion, only its route. */
export function drawFlight(context: Context, ink: Ink, { arc, late }: Flight, t: number, still: boolean): void {
  const colour = late ? ink.late : ink.onTime
  const grow = 1 / Math.max(ink.unit, 0.55)
  context.strokeStyle = colour
  context.fillStyle = colour
  if (still) {
    context.globalAlpha = 0.75
    context.lineWidth = 1.4 * grow
    context.beginPath()
    context.moveTo(arc.fromX, arc.fromY)
    context.quadraticCurveTo(arc.bendX, arc.bendY, arc.toX, arc.toY)
    context.stroke()
    context.globalAlpha = 1
    return
  }
  const head = ease(t)
  const tail = Math.max(0, head - TRAIL)
  context.lineCap = 'round'
  context.lineWidth = 1.7 * grow
  for (let i = 0; i < TRAIL_STEPS; i++) {
    const a = tail + ((head - tail) * i) / TRAIL_STEPS
    const b = tail + ((head - tail) * (i + 1)) / TRAIL_STEPS
    context.globalAlpha = 0.85 * ((i + 1) / TRAIL_STEPS) ** 1.8
    context.beginPath()
    context.moveTo(arcX(arc, a), arcY(arc, a))
    context.lineTo(arcX(arc, b), arcY(arc, b))
    context.stroke()
  }
  if (t < 0.3) {
    context.globalAlpha = 0.7 * (1 - t / 0.3)
    ring(context, arc.fromX, arc.fromY, (2 + t * 26) * grow, colour, 1.2 * grow)
  }
  const x = arcX(arc, head)
  const y = arcY(arc, head)
  if (ink.glow) {
    const size = 2 * GLOW * grow
    context.globalAlpha = 0.5
    context.drawImage(glowOf(colour), x - size / 2, y - size / 2, size, size)
  }
  context.globalAlpha = 1
  plane(context, x, y, arcHeading(arc, head), grow)
}

/** A flight that has arrived: a ring that fades while `t` goes from 0 to 1. */
export function drawLanding(context: Context, ink: Ink, { arc, late }: Flight, t: number): void {
  const grow = 1 / Math.max(ink.unit, 0.55)
  context.globalAlpha = 0.8 * (1 - t)
  ring(context, arc.toX, arc.toY, (2 + t * 5) * grow, late ? ink.late : ink.onTime, 1.5 * grow)
  context.globalAlpha = 1
}

/** A soft disc of `colour`, drawn once. A gradient for each plane and frame would take most of the time. */
function glowOf(colour: string): HTMLCanvasElement {
  const known = glows.get(colour)
  if (known) return known
  const canvas = document.createElement('canvas')
  canvas.width = canvas.height = GLOW * 4
  const context = canvas.getContext('2d')
  if (context) {
    const gradient = context.createRadialGradient(GLOW * 2, GLOW * 2, 0, GLOW * 2, GLOW * 2, GLOW * 2)
    gradient.addColorStop(0, '#ffff')
    gradient.addColorStop(1, '#fff0')
    context.fillStyle = gradient
    context.fillRect(0, 0, GLOW * 4, GLOW * 4)
    context.globalCompositeOperation = 'source-in'
    context.fillStyle = colour
    context.fillRect(0, 0, GLOW * 4, GLOW * 4)
  }
  glows.set(colour, canvas)
  return canvas
}

/** A plane as a dart, seen from above. */
function plane(context: Context, x: number, y: number, heading: number, grow: number): void {
  context.save()
  context.translate(x, y)
  context.rotate(heading)
  context.scale(grow, grow)
  context.beginPath()
  context.moveTo(6, 0)
  context.lineTo(-4.5, 4)
  context.lineTo(-2.4, 0)
  context.lineTo(-4.5, -4)
  context.closePath()
  context.fill()
  context.restore()
}

function dot(context: Context, x: number, y: number, radius: number): void {
  context.beginPath()
  context.arc(x, y, radius, 0, Math.PI * 2)
  context.fill()
}

function ring(context: Context, x: number, y: number, radius: number, colour: string, width: number): void {
  context.strokeStyle = colour
  context.lineWidth = width
  context.beginPath()
  context.arc(x, y, radius, 0, Math.PI * 2)
  context.stroke()
}

/** Easing that is slow at both ends. */
function ease(t: number): number {
  return t * t * (3 - 2 * t)
}
