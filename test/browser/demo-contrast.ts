import type { Page } from 'playwright-core'

/** Returns the texts of a page whose contrast is below 4.5, or 3 for large texts (WCAG 2.2, 1.4.3). */
export function faintTexts(page: Page): Promise<string[]> {
  return page.evaluate(() => {
    const canvas = document.createElement('canvas')
    canvas.width = canvas.height = 1
    const context = canvas.getContext('2d', { willReadFrequently: true })
    if (!context) throw new Error('no canvas')

    // The canvas converts every notation of a colour into numbers.
    const toRgba = (colour: string): number[] => {
      context.clearRect(0, 0, 1, 1)
      context.fillStyle = colour
      context.fillRect(0, 0, 1, 1)
      return [...context.getImageData(0, 0, 1, 1).data]
    }
    const luminance = (rgba: number[]): number => {
      const [r = 0, g = 0, b = 0] = rgba.map((value) => {
        const part = value / 255
        return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4
      })
      return 0.2126 * r + 0.7152 * g + 0.0722 * b
    }
    const background = (start: Element): number[] => {
      for (let at: Element | null = start; at; at = at.parentElement) {
        const rgba = toRgba(getComputedStyle(at).backgroundColor)
        if (rgba[3] === 255) return rgba
      }
      return [255, 255, 255, 255]
    }

    const faint: string[] = []
    const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT)
    while (walker.nextNode()) {
      const node = walker.currentNode
      const parent = node.parentElement
      if (!parent?.checkVisibility() || !node.textContent?.trim()) continue
      if (parent.closest('script, :disabled, select')) continue
      const style = getComputedStyle(parent)
      const [a, b] = [luminance(toRgba(style.color)), luminance(background(parent))]
      const contrast = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05)
      if (contrast < (parseFloat(style.fontSize) >= 24 ? 3 : 4.5)) {
        faint.push(
          `${contrast.toFixed(2)} "${node.textContent.trim().slice(0, 30)}" (${parent.className || parent.tagName})`,
        )
      }
    }
    return faint
  })
}
