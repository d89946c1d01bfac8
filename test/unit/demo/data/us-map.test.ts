import { describe, expect, it } from 'vitest'
import { readAirports, readFlights } from '../../../../demo/data/recorded.ts'
import { simplifyLine } from '../../../../demo/data/simplify.ts'
import { drawMap, MAP_HEIGHT, MAP_WIDTH, placeAirport } from '../../../../demo/data/us-map.ts'

describe('simplifyLine', () => {
  it('removes points on the line, and keeps both ends', () => {
    const line = [
      [0, 0],
      [1, 0.1],
      [2, 0],
      [3, 5],
      [4, 0],
    ] as const
    expect(simplifyLine(line, 0.5)).toEqual([
      [0, 0],
      [2, 0],
      [3, 5],
      [4, 0],
    ])
  })

  it('keeps a ring, whose ends are one point', () => {
    const ring = [
      [0, 0],
      [10, 0],
      [10, 10],
      [0, 0],
    ] as const
    expect(simplifyLine(ring, 1)).toHaveLength(4)
  })
})

describe('the map', () => {
  it('has a position for every airport, including the Caribbean', async () => {
    const places = (await readAirports(await readFlights())).map(placeAirport)
    for (const { code, x, y } of places) {
      expect(x > 0 && x < MAP_WIDTH && y > 0 && y < MAP_HEIGHT, code).toBe(true)
    }
    expect(places.map((place) => place.code)).toEqual(expect.arrayContaining(['HNL', 'ANC', 'SJU', 'STT', 'BTR']))
  })

  it('is small enough to be part of the page', async () => {
    const { land, borders } = await drawMap()
    expect(land).toMatch(/^M[\d.]+,[\d.]+L/)
    expect(land.length + borders.length).toBeLessThan(40_000)
  })
})
