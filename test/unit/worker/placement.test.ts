import { describe, expect, it } from 'vitest'
import { addressKey, type HubLocation, hubCount, parseHubs, rankHubs } from '../../../worker/placement.ts'

const clients = Array.from({ length: 3_000 }, (_, index) => `203.0.${index >> 8}.${index & 255}`)
const preferred = (...args: Parameters<typeof rankHubs>) => rankHubs(...args)[0] as HubLocation
const countBy = (names: readonly string[]) => Map.groupBy(names, (name) => name)

describe('parseHubs', () => {
  it('returns one hub by default', () => {
    expect(parseHubs(undefined)).toEqual([{ hubs: 1 }])
  })

  it('parses a number of hubs, or numbers by region', () => {
    expect(parseHubs('3')).toEqual([{ hubs: 3 }])
    expect(parseHubs('enam=2, weur=1')).toEqual([
      { hubs: 2, region: 'enam' },
      { hubs: 1, region: 'weur' },
    ])
    expect(hubCount(parseHubs('enam=2 weur=1 apac=4'))).toBe(7)
  })

  it.each(['', '0', '-1', '1.5', 'x', 'mars=1', 'weur', 'weur=0', 'weur=1 weur=2', '2 weur=1', '257', 'toString=1'])(
    'rejects %j with a message that names HUBS',
    (text) => expect(() => parseHubs(text)).toThrow(/HUBS/),
  )
})

describe('rankHubs', () => {
  it('returns the same order for the same key', () => {
    const plan = parseHubs('8')
    for (const key of clients.slice(0, 50)) {
      expect(preferred(plan, key, undefined)).toEqual(preferred(plan, key, { continent: 'EU' }))
    }
  })

  it('distributes clients evenly', () => {
    const plan = parseHubs('6')
    const shares = [...countBy(clients.map((key) => preferred(plan, key, undefined).name)).values()]
    expect(shares).toHaveLength(6)
    for (const share of shares) {
      expect(share.length).toBeGreaterThan(clients.length / 6 / 1.25)
      expect(share.length).toBeLessThan((clients.length / 6) * 1.25)
    }
  })

  it('moves only the share of a hub that is added', () => {
    const [before, after] = [parseHubs('4'), parseHubs('5')]
    const moved = clients.filter((key) => {
      const then = preferred(before, key, undefined).name
      const now = preferred(after, key, undefined).name
      if (then !== now) expect(now).toBe('hub-5')
      return then !== now
    })
    expect(moved.length / clients.length).toBeCloseTo(1 / 5, 1)
  })

  it('distributes the clients of a full hub over all other hubs', () => {
    const plan = parseHubs('4')
    const seconds = clients.map((key) => rankHubs(plan, key, undefined).map(({ name }) => name))
    for (const names of seconds) expect(new Set(names).size).toBe(4)
    const pairs = [...countBy(seconds.map(([first, second]) => `${first} ${second}`)).values()]
    expect(pairs).toHaveLength(12)
    for (const { length } of pairs) expect(length).toBeGreaterThan(clients.length / 12 / 1.4)
  })

  it('ranks hubs of the nearest region before others', () => {
    const europe = { continent: 'EU', latitude: '48.86', longitude: '2.35' }
    const regions = rankHubs(parseHubs('apac=2 weur=2 enam=1'), 'x', europe).map(({ region }) => region)
    expect(regions).toEqual(['weur', 'weur', 'enam', 'apac', 'apac'])
  })

  const plan = parseHubs('wnam=1 enam=1 weur=1 apac=1')
  it.each([
    ['San Francisco', { continent: 'NA', latitude: '37.77', longitude: '-122.42' }, 'wnam'],
    ['New York', { continent: 'NA', latitude: '40.71', longitude: '-74.01' }, 'enam'],
    ['Lisbon', { continent: 'EU', latitude: '38.72', longitude: '-9.14' }, 'weur'],
    ['Lagos', { continent: 'AF', latitude: '6.45', longitude: '3.39' }, 'weur'],
    ['Sydney', { continent: 'OC', latitude: '-33.87', longitude: '151.21' }, 'apac'],
    ['Auckland, across the date line', { continent: 'OC', latitude: '-36.85', longitude: '174.76' }, 'apac'],
    ['South America, without coordinates', { continent: 'SA' }, 'enam'],
    ['Asia, without coordinates', { continent: 'AS' }, 'apac'],
    ['an unknown location', { continent: 'T1' }, 'wnam'],
  ])('ranks the region nearest to %s first', (_, origin, region) => {
    expect(preferred(plan, 'x', origin)).toEqual({ name: `${region}-1`, region })
  })

  it('ranks the first region first for an unknown origin', () => {
    expect(preferred(plan, 'x', undefined).region).toBe('wnam')
  })
})

describe('addressKey', () => {
  it('returns an IPv4 address unchanged', () => expect(addressKey('192.0.2.7')).toBe('192.0.2.7'))

  it.each([
    ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2'],
    ['2001:0db8:0001:0002::1', '2001:db8:1:2'],
    ['2001:db8::1', '2001:db8:0:0'],
    ['::1', '0:0:0:0'],
    ['fe80::', 'fe80:0:0:0'],
  ])('returns the /64 of %s', (address, key) => expect(addressKey(address)).toBe(key))
})
