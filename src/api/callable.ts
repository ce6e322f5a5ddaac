/**
 * Base of objects that can be called: `new` gives the very function that is passed to `super`, with the class's methods
 * and private fields on it. A function object is the only thing in JavaScript that can be called.
 */
export const Callable = CallableBase as unknown as new (fn: CallableFunction) => object;

// A plain function, because a class that extends Function would have to call its constructor, which compiles text.
function CallableBase(fn: object): object {
  return Object.setPrototypeOf(fn, (new.target as unknown as { prototype: object }).prototype) as object;
}
CallableBase.prototype = Object.create(Function.prototype) as object;
