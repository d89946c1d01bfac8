import { describe, expect, it } from 'vitest'
import { addressKey, type HubPlace, hubCount, parseHubs, placesOf } from '../../../worker/placement.ts'

const clients = Array.from({ length: 3_000 }, (_, index) => `203.0.${index >> 8}.${index & 255}`)
const placeClient = (...of: Parameters<typeof placesOf>) => placesOf(...of)[0] as HubPlace
const countBy = (names: readonly string[]) => Map.groupBy(names, (name) => name)

describe('HUBS', () => {
  it('is one hub unless it says otherwise', () => {
    expect(parseHubs(undefined)).toEqual([{ hubs: 1 }])
  })

  it('is a number of hubs, or numbers by region', () => {
    expect(parseHubs('3')).toEqual([{ hubs: 3 }])
    expect(parseHubs('enam=2, weur=1')).toEqual([
      { hubs: 2, region: 'enam' },
      { hubs: 1, region: 'weur' },
    ])
    expect(hubCount(parseHubs('enam=2 weur=1 apac=4'))).toBe(7)
  })

  it.each(['', '0', '-1', '1.5', 'x', 'mars=1', 'weur', 'weur=0', 'weur=1 weur=2', '2 weur=1', '257', 'toString=1'])(
    'refuses %j with a message that names HUBS',
    (text) => expect(() => parseHubs(text)).toThrow(/HUBS/),
  )
})

describe('a client', () => {
  it('is always at the same hub', () => {
    const plan = parseHubs('8')
    for (const key of clients.slice(0, 50)) {
      expect(placeClient(plan, key, undefined)).toEqual(placeClient(plan, key, { continent: 'EU' }))
    }
  })

  it('is one of about as many at every hub', () => {
    const plan = parseHubs('6')
    const shares = [...countBy(clients.map((key) => placeClient(plan, key, undefined).name)).values()]
    expect(shares).toHaveLength(6)
    for (const share of shares) {
      expect(share.length).toBeGreaterThan(clients.length / 6 / 1.25)
      expect(share.length).toBeLessThan((clients.length / 6) * 1.25)
    }
  })

  it('stays when a hub is added, unless the new hub takes it', () => {
    const [before, after] = [parseHubs('4'), parseHubs('5')]
    const moved = clients.filter((key) => {
      const then = placeClient(before, key, undefined).name
      const now = placeClient(after, key, undefined).name
      if (then !== now) expect(now).toBe('hub-5')
      return then !== now
    })
    expect(moved.length / clients.length).toBeCloseTo(1 / 5, 1)
  })

  it('has every hub as its second, if it is not its first: those of a full one are spread over all others', () => {
    const plan = parseHubs('4')
    const seconds = clients.map((key) => placesOf(plan, key, undefined).map(({ name }) => name))
    for (const names of seconds) expect(new Set(names).size).toBe(4)
    const pairs = [...countBy(seconds.map(([first, second]) => `${first} ${second}`)).values()]
    expect(pairs).toHaveLength(12)
    for (const { length } of pairs) expect(length).toBeGreaterThan(clients.length / 12 / 1.4)
  })

  it('comes to another region only after all of its own', () => {
    const europe = { continent: 'EU', latitude: '48.86', longitude: '2.35' }
    const regions = placesOf(parseHubs('apac=2 weur=2 enam=1'), 'x', europe).map(({ region }) => region)
    expect(regions).toEqual(['weur', 'weur', 'enam', 'apac', 'apac'])
  })

  const plan = parseHubs('wnam=1 enam=1 weur=1 apac=1')
  it.each([
    ['San Francisco', { continent: 'NA', latitude: '37.77', longitude: '-122.42' }, 'wnam'],
    ['New York', { continent: 'NA', latitude: '40.71', longitude: '-74.01' }, 'enam'],
    ['Lisbon', { continent: 'EU', latitude: '38.72', longitude: '-9.14' }, 'weur'],
    ['Lagos', { continent: 'AF', latitude: '6.45', longitude: '3.39' }, 'weur'],
    ['Sydney', { continent: 'OC', latitude: '-33.87', longitude: '151.21' }, 'apac'],
    ['Auckland, over the date line', { continent: 'OC', latitude: '-36.85', longitude: '174.76' }, 'apac'],
    ['somewhere in South America', { continent: 'SA' }, 'enam'],
    ['somewhere in Asia', { continent: 'AS' }, 'apac'],
    ['nowhere that is known', { continent: 'T1' }, 'wnam'],
  ])('in %s comes to the nearest region that has hubs', (_, origin, region) => {
    expect(placeClient(plan, 'x', origin)).toEqual({ name: `${region}-1`, region })
  })

  it('without coordinates comes to the first region', () => {
    expect(placeClient(plan, 'x', undefined).region).toBe('wnam')
  })
})

describe('the key of an address', () => {
  it('is the address itself for IPv4', () => expect(addressKey('192.0.2.7')).toBe('192.0.2.7'))

  it.each([
    ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2'],
    ['2001:0db8:0001:0002::1', '2001:db8:1:2'],
    ['2001:db8::1', '2001:db8:0:0'],
    ['::1', '0:0:0:0'],
    ['fe80::', 'fe80:0:0:0'],
  ])('is the /64 of %s', (address, key) => expect(addressKey(address)).toBe(key))
})
