import type { MapAirport } from '../data/us-map.ts'
import { element } from './element.ts'
import type { FlightMap } from './flight-map.ts'

/** Names the airport under the pointer and selects it on a click. The selects above serve the keyboard. */
export function startPointer(map: FlightMap, choose: (airport: MapAirport) => void): void {
  const area = element('map')
  const tip = element('tip')

  const find = (event: PointerEvent | MouseEvent): MapAirport | undefined => {
    const box = area.getBoundingClientRect()
    return map.airportAt(event.clientX - box.left, event.clientY - box.top)
  }
  const leave = (): void => {
    tip.hidden = true
    area.style.cursor = ''
    map.hover(undefined)
  }

  area.addEventListener('pointermove', (event) => {
    const airport = event.pointerType === 'touch' ? undefined : find(event)
    if (!airport) return leave()
    area.style.cursor = 'pointer'
    map.hover(airport.code)
    tip.textContent = `${airport.code} ${airport.city}, ${airport.state}`
    tip.hidden = false
    const box = area.getBoundingClientRect()
    const scale = box.width / 975
    const x = Math.min(Math.max(airport.x * scale - tip.offsetWidth / 2, 0), box.width - tip.offsetWidth)
    const above = airport.y * scale - tip.offsetHeight - 14
    tip.style.transform = `translate(${x}px, ${above < 0 ? airport.y * scale + 14 : above}px)`
  })
  area.addEventListener('pointerleave', leave)
  area.addEventListener('click', (event) => {
    const airport = find(event)
    if (airport) choose(airport)
  })
}
