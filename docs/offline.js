/* Pages that come from a disk may start no worker, and the search is one: there it runs in a hidden frame instead. */
if (location.protocol === "file:") {
  window.Worker = class extends EventTarget {
    constructor(url) {
      super()
      this.frame = document.createElement("iframe")
      this.frame.hidden = true
      document.body.append(this.frame)
      const inside = this.frame.contentWindow
      inside.postMessage = data => this.tell("message", { data })
      const script = inside.document.createElement("script")
      script.src = new URL(url, document.baseURI).href
      this.ready = new Promise(done => script.onload = done)
      script.onerror = () => this.tell("error", { message: `cannot read ${script.src}` })
      inside.document.body.append(script)
    }
    postMessage(data) {
      const inside = this.frame.contentWindow
      this.ready.then(() => inside.dispatchEvent(new inside.MessageEvent("message", { data })))
    }
    tell(type, details) {
      const event = new MessageEvent(type, details)
      this[`on${type}`]?.(event)
      this.dispatchEvent(event)
    }
    terminate() { this.frame.remove() }
  }
}
